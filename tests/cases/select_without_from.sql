-- why     a SELECT without FROM gives one row
-- expect  two,text
--         2,ab
SELECT 1 + 1 AS two, 'a' || 'b' AS text

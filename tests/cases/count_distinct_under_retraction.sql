-- why     a value counts until its last row is gone
-- input   words: w STRING; changes
--         + x
--         + x
--         + y
--         - x
--         - y
-- expect  n
--         1
SELECT COUNT(DISTINCT w) AS n FROM words

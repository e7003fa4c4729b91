-- why     the column that says the kind must be a text
-- input   told: op INT, id INT
-- error   The kind of change is said as a text, 'op' is INT
--         CAST(op AS STRING)
-- at      1:15
SELECT * FROM FROM_CHANGELOG(TABLE told)

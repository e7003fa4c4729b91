-- why     without a name the column is 'op'; a table without it has another one to name
-- input   told: kind STRING, id INT
-- error   Unknown column 'op'
-- at      1:15
SELECT * FROM FROM_CHANGELOG(TABLE told)

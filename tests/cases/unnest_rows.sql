-- why     UNNEST of an array of rows gives a column per field
-- input   a: id INT, v INT
--         1,5
-- expect  id,n,w
--         1,5,p
--         1,6,q
SELECT id, n, w FROM a CROSS JOIN UNNEST(ARRAY[ROW(v, 'p'), ROW(v + 1, 'q')]) AS t (n, w)

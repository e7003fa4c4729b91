-- why     an element that is NULL is a row like others
-- input   a: id INT, v INT
--         1,5
--         2,NULL
-- expect  id,e
--         1,5
--         1,0
--         2,NULL
--         2,0
SELECT id, e FROM a CROSS JOIN UNNEST(ARRAY[v, 0]) AS t (e)

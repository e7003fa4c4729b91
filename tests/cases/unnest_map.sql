-- why     UNNEST of a map gives its keys and values
-- input   a: id INT, v INT
--         1,5
--         2,6
-- expect  id,k,n
--         1,x,5
--         1,y,10
--         2,x,6
--         2,y,12
SELECT id, k, n FROM a CROSS JOIN UNNEST(MAP['x', v, 'y', v * 2]) AS t (k, n)

-- why     UNNEST of constants stands in FROM alone
-- expect  y
--         2
--         3
--         4
SELECT x + 1 AS y FROM UNNEST(ARRAY[1, 2, 3]) AS t (x)

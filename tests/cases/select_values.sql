-- why     VALUES stands in FROM, with names of its own
-- expect  a,b
--         1,x
--         2,yy
SELECT * FROM (VALUES (1, 'x'), (2, 'yy')) AS t (a, b)

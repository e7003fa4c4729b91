-- why     VALUES in FROM joins like a table
-- input   a: id INT
--         1
--         2
--         3
-- expect  id,word
--         1,one
--         2,two
SELECT id, word FROM a JOIN (VALUES (1, 'one'), (2, 'two')) AS w (n, word) ON id = n

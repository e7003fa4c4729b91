-- why     the rows of VALUES meet in one type; NULL takes the others' type
-- expect  a,b
--         1,x
--         NULL,yes
--         3000000000,NULL
-- targets flink gap: it takes no bare NULL in VALUES
SELECT a, b FROM (VALUES (1, 'x'), (NULL, 'yes'), (3000000000, NULL)) AS v (a, b)

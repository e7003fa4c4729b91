-- why     the parts of a UNION meet in a type that holds both; names are the first part's
-- input   a: i INT, s STRING
--         1,one
-- input   b: n BIGINT, c CHAR(3)
--         3000000000,two
-- expect  i,s
--         1,one
--         3000000000,two
SELECT i, s FROM a UNION ALL SELECT n, c FROM b

-- why     a second table in FROM is a join, however it is written
-- input   a: k STRING
-- input   b: k STRING
-- error   join
-- at      1:25
SELECT a.k FROM a AS a  , b

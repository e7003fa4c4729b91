-- why     a sub-query as a value has one column, and nothing stands before it to be compared
-- input   t: k STRING, v INT
-- error   As a value it has one column
-- at      1:8
SELECT (SELECT k, v FROM t) FROM t

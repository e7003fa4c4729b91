-- why     a computed column that fails rejects the row where it is read
-- input   t: s STRING
--         12
--         x
-- expect  n
--         12
-- rejected x
CREATE TABLE t (s STRING, n AS CAST(s AS INT)) WITH ('connector' = 'memory');
SELECT n FROM t

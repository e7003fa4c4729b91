-- why     the function's own arguments are known from its class
-- input   t: k STRING, v INT, ts TIMESTAMP(3); watermark ts - 0s
-- error   has no argument pause
--         gap
-- at      2:46
CREATE FUNCTION visits AS 'tests.functions.Visits' LANGUAGE PYTHON;
SELECT * FROM visits(TABLE t PARTITION BY k, pause => 5)

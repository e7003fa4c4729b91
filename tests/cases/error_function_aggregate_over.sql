-- why     before OVER stand built-in functions only
-- input   t: v INT, ts TIMESTAMP(3); watermark ts - 0s
-- error   MIDDLE OVER
CREATE FUNCTION middle AS 'tests.functions.Middle' LANGUAGE PYTHON;
SELECT middle(v) OVER (ORDER BY ts) FROM t

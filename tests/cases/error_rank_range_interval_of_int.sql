-- why     an interval before a number means nothing
-- input   t: k STRING, v INT
-- error   RANGE
-- at      1:8
SELECT SUM(v) OVER (ORDER BY v RANGE BETWEEN INTERVAL '1' SECOND PRECEDING AND CURRENT ROW) FROM t

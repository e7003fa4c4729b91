-- why     rows that come later are not there yet
-- input   t: k STRING, v INT, ts TIMESTAMP(3); watermark ts - 0s
-- error   FOLLOWING
-- at      1:62
SELECT SUM(v) OVER (ORDER BY ts ROWS BETWEEN 1 PRECEDING AND 1 FOLLOWING) FROM t

-- why     OVER comes later; the place is that of the call
-- input   t: k STRING, v INT, ts TIMESTAMP(3); watermark ts - 0s
-- error   OVER
-- at      2:3
SELECT k,
  SUM(v) OVER (PARTITION BY k ORDER BY ts) AS s
FROM t

-- why     a condition of a variable that the pattern has not would never be asked
-- input   t: k STRING, v INT, ts TIMESTAMP(3); watermark ts - 0s
-- error   Unknown pattern variable 'UP'
--         Did you mean 'Up'?
-- at      5:16
SELECT * FROM t MATCH_RECOGNIZE (
  PARTITION BY k ORDER BY ts
  MEASURES A.v AS a
  PATTERN (A Up)
  DEFINE UP AS UP.v = 1
) AS m

-- why     a measure of a variable that the pattern has not
-- input   t: k STRING, v INT, ts TIMESTAMP(3); watermark ts - 0s
-- error   Unknown pattern variable 'DWN'
--         Did you mean 'DOWN'?
-- at      3:12
SELECT * FROM t MATCH_RECOGNIZE (
  PARTITION BY k ORDER BY ts
  MEASURES DWN.v AS a
  PATTERN (A DOWN C)
  DEFINE A AS A.v = 1
) AS m

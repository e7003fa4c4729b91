-- why     DISTINCT aggregates are not there in Flink either
-- input   t: k STRING, v INT, ts TIMESTAMP(3); watermark ts - 0s
-- error   DISTINCT aggregates in MATCH_RECOGNIZE
--         Leave DISTINCT out, or aggregate the rows outside.
-- at      3:12
SELECT * FROM t MATCH_RECOGNIZE (
  PARTITION BY k ORDER BY ts
  MEASURES COUNT(DISTINCT A.v) AS a
  PATTERN (A+ B)
  DEFINE A AS A.v = 1
) AS m

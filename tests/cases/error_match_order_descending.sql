-- why     time only goes on
-- input   t: k STRING, v INT, ts TIMESTAMP(3); watermark ts - 0s
-- error   Rows are ordered by 'ts' descending, but time only goes on
--         Write ORDER BY ts ASC.
-- at      2:27
SELECT * FROM t MATCH_RECOGNIZE (
  PARTITION BY k ORDER BY ts DESC
  MEASURES A.v AS a
  PATTERN (A B)
  DEFINE A AS A.v = 1
) AS m

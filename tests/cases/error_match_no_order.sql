-- why     a sequence needs an order
-- input   t: k STRING, v INT, ts TIMESTAMP(3); watermark ts - 0s
-- error   MATCH_RECOGNIZE needs an ORDER BY: patterns are sequences
--         Write ORDER BY ts.
-- at      1:17
SELECT * FROM t MATCH_RECOGNIZE (
  PARTITION BY k
  MEASURES A.v AS a
  PATTERN (A B)
  DEFINE A AS A.v = 1
) AS m

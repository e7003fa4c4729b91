-- why     a month has no fixed length
-- input   t: k STRING, v INT, ts TIMESTAMP(3); watermark ts - 0s
-- error   WITHIN needs a constant interval of days, hours, minutes or seconds
--         Write WITHIN INTERVAL '10' MINUTE.
-- at      4:24
SELECT * FROM t MATCH_RECOGNIZE (
  PARTITION BY k ORDER BY ts
  MEASURES A.v AS a
  PATTERN (A B) WITHIN INTERVAL '1' MONTH
  DEFINE A AS A.v = 1
) AS m

-- why     the name of the result stands behind
-- input   t: k STRING, v INT, ts TIMESTAMP(3); watermark ts - 0s
-- error   The name stands before MATCH_RECOGNIZE
--         Write t MATCH_RECOGNIZE ( … ) AS m.
-- at      1:22
SELECT * FROM t AS m MATCH_RECOGNIZE (
  ORDER BY ts
  MEASURES A.v AS a
  PATTERN (A B)
  DEFINE A AS A.v = 1
)

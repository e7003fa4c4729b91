-- why     B?? is not there in Flink either
-- input   t: k STRING, v INT, ts TIMESTAMP(3); watermark ts - 0s
-- error   'B??', a reluctant optional variable
--         Write B?, which tries both ways.
-- at      4:14
SELECT * FROM t MATCH_RECOGNIZE (
  PARTITION BY k ORDER BY ts
  MEASURES A.v AS a
  PATTERN (A B?? C)
  DEFINE A AS A.v = 1
) AS m

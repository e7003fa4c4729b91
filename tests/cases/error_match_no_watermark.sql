-- why     without a watermark nothing says when a row's turn has come
-- input   t: k STRING, v INT, ts TIMESTAMP(3)
-- error   Rows are ordered by 'ts' first, which is no event time and no processing time
--         Declare WATERMARK FOR … where the table is created, or a column pt AS PROCTIME().
-- at      2:27
SELECT * FROM t MATCH_RECOGNIZE (
  PARTITION BY k ORDER BY ts
  MEASURES A.v AS a
  PATTERN (A B)
  DEFINE A AS A.v = 1
) AS m

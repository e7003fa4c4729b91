-- why     on a stream a window needs to know which rows come before a row
-- input   t: k STRING, v INT
-- error   no ORDER BY
-- at      1:8
SELECT SUM(v) OVER (PARTITION BY k) FROM t

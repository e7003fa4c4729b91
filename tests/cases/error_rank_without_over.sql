-- why     ROW_NUMBER means nothing without OVER
-- input   t: k STRING, v INT
-- error   OVER
-- at      1:8
SELECT ROW_NUMBER() FROM t

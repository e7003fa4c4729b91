-- why     a grouped sub-query compares by = outside
-- input   a: id INT, k STRING, v INT
-- input   b: id INT, k STRING, w INT
-- error   grouped sub-query
--         =
-- at      1:41
SELECT k, (SELECT COUNT(*) FROM b WHERE b.w > a.v) AS n FROM a

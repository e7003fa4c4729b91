-- why     Flink does not read positions in GROUP BY; a silent constant would be wrong
-- input   t: k STRING
-- error   position
-- at      1:43
SELECT k, COUNT(*) AS n FROM t GROUP BY   1

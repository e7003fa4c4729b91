-- why     top-N is written with OVER, which comes later
-- input   t: k STRING, v INT
-- error   OVER
SELECT k FROM (SELECT k, ROW_NUMBER() OVER (PARTITION BY k ORDER BY v) AS rn FROM t) WHERE rn <= 3

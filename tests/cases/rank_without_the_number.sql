-- why     without the rank in the result a row that only moves changes nothing: rows enter and leave
-- input   t: k STRING, v INT
--         a,5
--         a,3
--         a,7
--         a,9
-- expect  k,v
--         a,9
--         a,7
-- changes +I a,5
--         +I a,3
--         -D a,3
--         +I a,7
--         -D a,5
--         +I a,9
SELECT k, v FROM (
  SELECT k, v, ROW_NUMBER() OVER (PARTITION BY k ORDER BY v DESC) AS rn FROM t
) WHERE rn <= 2

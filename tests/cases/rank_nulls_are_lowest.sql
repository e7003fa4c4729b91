-- why     NULL is lower than any value, unless NULLS LAST is said
-- input   t: k STRING, v INT
--         a,5
--         a,NULL
--         a,-3
--         b,5
--         b,NULL
-- expect  k,v,w,up,down
--         a,NULL,NULL,1,3
--         a,-3,-3,2,2
--         a,5,5,3,1
--         b,NULL,NULL,1,2
--         b,5,5,2,1
SELECT k, v, v AS w, up, down FROM (
  SELECT k, v, up, ROW_NUMBER() OVER (PARTITION BY k ORDER BY v DESC) AS down FROM (
    SELECT k, v, ROW_NUMBER() OVER (PARTITION BY k ORDER BY v) AS up FROM t
  ) WHERE up <= 3
) WHERE down <= 3

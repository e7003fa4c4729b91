-- why     QUALIFY may say the name of what is selected
-- input   t: k STRING, v INT
--         a,5
--         a,3
--         a,7
-- expect  v,rn
--         7,1
--         5,2
SELECT v, ROW_NUMBER() OVER (PARTITION BY k ORDER BY v DESC) AS rn FROM t QUALIFY rn <= 2

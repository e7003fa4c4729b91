-- why     LISTAGG joins in arrival order, leaves NULL out, and is NULL over nothing
-- input   t: k STRING, v STRING
--         a,x
--         a,NULL
--         a,y
--         b,NULL
-- expect  k,c,d
--         a,'x,y',x-y
--         b,NULL,NULL
SELECT k, LISTAGG(v) AS c, LISTAGG(v, '-') AS d FROM t GROUP BY k

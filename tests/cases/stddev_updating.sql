-- why     population and sample differ; one row has no sample deviation
-- input   t: k STRING, v DOUBLE
--         a,2
--         a,4
--         b,1
--         c,NULL
-- expect  k,p,s,vp,vs
--         a,1,1.41421356237,1,2
--         b,0,NULL,0,NULL
--         c,NULL,NULL,NULL,NULL
SELECT k, STDDEV_POP(v) AS p, STDDEV_SAMP(v) AS s, VAR_POP(v) AS vp, VAR_SAMP(v) AS vs
FROM t GROUP BY k

-- why     a column that is only ever NULL has no type of its own, and is kept in a join's state all the same
-- input   a: k STRING, v INT; changes
--         + x,1
--         + y,2
--         - y,2
-- input   b: k STRING, w INT
--         x,10
--         y,20
-- expect  v,w,nothing,more
--         1,10,NULL,NULL
--         NULL,20,NULL,NULL
-- targets flink gap: it takes no bare NULL in VALUES
SELECT v, w, nothing, more FROM (SELECT k, v, NULL AS nothing FROM a) l
FULL JOIN (SELECT k, w, NULL AS more FROM b) r ON l.k = r.k

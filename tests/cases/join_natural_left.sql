-- why     the common column of NATURAL LEFT JOIN is the left side's
-- input   a: x INT, k STRING
--         1,a
--         2,b
-- input   b: w INT, k STRING
--         50,a
-- expect  k,x,w
--         a,1,50
--         b,2,NULL
SELECT * FROM a NATURAL LEFT JOIN b

-- why     NATURAL JOIN joins by every common name and shows each once, first
-- input   a: x INT, k STRING, v INT
--         1,a,5
--         2,b,6
-- input   b: v INT, w INT, k STRING
--         5,50,a
--         6,60,c
-- expect  k,v,x,w
--         a,5,1,50
SELECT * FROM a NATURAL JOIN b

-- why     a pair whose condition cannot be computed is rejected with its columns; the others stand
-- input   a: k STRING, v INT
--         x,0
--         x,2
-- input   b: k STRING, w INT
--         x,10
-- expect  v,w
--         2,10
-- rejected division by zero | "v":0
SELECT v, w FROM a JOIN b ON a.k = b.k AND w / v > 1

-- why     a row that cannot be computed is rejected with its columns; the others go on
-- input   bids: k STRING, a INT, b INT
--         x,6,3
--         y,1,0
--         z,8,2
-- expect  k,q
--         x,2
--         z,4
-- rejected zero | "k":"y"
SELECT k, a / b AS q FROM bids

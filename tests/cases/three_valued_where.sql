-- why     a row whose condition is NULL is not kept, and NOT of NULL is still NULL
-- input   bids: k STRING, v INT
--         a,1
--         b,NULL
--         c,3
-- expect  k
--         c
SELECT k FROM bids WHERE NOT (v < 2)

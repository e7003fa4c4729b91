-- why     the second column decides between equals; a column that is not selected may be used
-- input   bids: k STRING, v INT, w INT
--         a,1,2
--         b,1,1
--         c,0,9
-- ordered k
--         c
--         b
--         a
SELECT k FROM bids ORDER BY v, w

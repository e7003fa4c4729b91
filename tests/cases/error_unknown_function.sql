-- why     a function that does not exist is answered with near names
-- input   bids: k STRING
-- error   Unknown function 'UPPR'
--         UPPER
-- at      1:8
SELECT UPPR(k) AS u FROM bids

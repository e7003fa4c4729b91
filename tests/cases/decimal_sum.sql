-- why     decimals add up exactly, and the sum has room for more digits
-- input   bids: k STRING, d DECIMAL(10, 2)
--         a,0.10
--         a,0.20
--         a,99999999.99
-- expect  k,total
--         a,100000000.29
SELECT k, SUM(d) AS total FROM bids GROUP BY k

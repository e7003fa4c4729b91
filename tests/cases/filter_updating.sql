-- why     FILTER chooses rows per aggregate; a row whose condition is NULL is not chosen
-- input   bids: k STRING, v INT
--         a,1
--         a,NULL
--         a,5
-- expect  k,n,big
--         a,3,1
SELECT k, COUNT(*) AS n, COUNT(*) FILTER (WHERE v > 2) AS big FROM bids GROUP BY k

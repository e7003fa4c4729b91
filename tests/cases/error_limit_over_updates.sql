-- why     the first rows of an endless result that changes are no fixed set
-- input   bids: k STRING; endless
-- error   LIMIT over results that change needs input that ends
SELECT k, COUNT(*) AS n FROM bids GROUP BY k LIMIT 3

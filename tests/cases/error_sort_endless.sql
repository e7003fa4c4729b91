-- why     an endless input has no last row to sort before
-- input   bids: k STRING, v INT; endless
-- error   needs input that ends
SELECT k, v FROM bids ORDER BY v

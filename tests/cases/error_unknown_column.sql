-- why     a misspelt column is answered with the one that was meant, at its place
-- input   bids: k STRING, price INT
-- error   Unknown column 'prise'
--         Did you mean 'price'?
-- at      1:11
SELECT k, prise FROM bids

-- why     a misspelt table too
-- input   bids: k STRING
-- error   'bidz'
--         Did you mean 'bids'?
-- at      1:15
SELECT k FROM bidz

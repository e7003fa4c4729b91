-- why     CASE computes a branch only where it is taken, so the division is guarded
-- input   bids: a INT, b INT
--         6,3
--         1,0
-- expect  q
--         2
--         -1
SELECT CASE WHEN b = 0 THEN -1 ELSE a / b END AS q FROM bids

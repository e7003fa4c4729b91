-- why     COUNT of no rows is 0 and SUM is NULL, told when the input has ended
-- input   bids: v INT
-- expect  n,total
--         0,NULL
-- targets flink gap: it tells nothing of no rows; its batch mode gives this row
SELECT COUNT(*) AS n, SUM(v) AS total FROM bids

-- why     1.10 * 2.123 is 2.33530: the scales add up, nothing is rounded
-- input   bids: a DECIMAL(10, 2), b DECIMAL(10, 3)
--         1.10,2.123
-- expect  p
--         2.33530
SELECT a * b AS p FROM bids

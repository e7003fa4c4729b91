-- why     backticks let a column have any name
-- input   bids: order STRING, select INT
--         a,2
-- expect  order,select
--         a,2
SELECT `order`, `select` FROM bids

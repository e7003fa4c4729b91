-- why     computed columns see the stored ones, and INSERT skips them
-- input   bids: k STRING, v INT
--         a,2
-- expect  k,v,square
--         a,2,4
CREATE TABLE bids (k STRING, v INT, square AS v * v) WITH ('connector' = 'memory');
SELECT * FROM bids

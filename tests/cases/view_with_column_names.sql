-- why     a view may name its columns itself
-- input   bids: k STRING, v INT
--         a,1
--         b,5
-- expect  name,amount
--         b,5
CREATE VIEW big (name, amount) AS SELECT k, v FROM bids WHERE v > 2;
SELECT * FROM big

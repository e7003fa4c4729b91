-- why     an upsert source gives only new rows: the sum needs the old ones from Normalize
-- input   prices: item STRING, price INT; key item; upsert
--         + apple,3
--         + pear,5
--         + apple,4
--         - pear,NULL
--         - plum,NULL
-- expect  n,total
--         1,4
SELECT COUNT(*) AS n, SUM(price) AS total FROM prices

-- why     a row whose new value fails the filter must disappear from the result
-- input   prices: item STRING, price INT; key item; upsert
--         + apple,3
--         + pear,5
--         + pear,1
--         + apple,7
-- expect  item,price
--         apple,7
SELECT item, price FROM prices WHERE price > 2

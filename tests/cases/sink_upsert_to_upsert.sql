-- why     newest rows in, newest rows out by the same key: no state is needed, tombstones pass
-- input   prices: item STRING, price INT; key item; upsert
--         + apple,3
--         + pear,5
--         + apple,4
--         - pear,NULL
-- expect  shelf: item,cents
--         apple,400
CREATE TABLE shelf (item STRING, cents INT, PRIMARY KEY (item) NOT ENFORCED) WITH ('connector' = 'memory');
INSERT INTO shelf SELECT item, price * 100 FROM prices

-- why     the sets of the older window syntax
-- input   sales: shop STRING, v INT, ts TIMESTAMP(3); watermark ts - 0s
--         a,1,00:00:10
--         b,2,00:00:20
--         a,4,00:01:10
-- expect  w,shop,s
--         00:00:00,a,1
--         00:00:00,b,2
--         00:00:00,NULL,3
--         00:01:00,a,4
--         00:01:00,NULL,4
-- targets flink gap: it makes no code for sets beside the older windows
SELECT TUMBLE_START(ts, INTERVAL '1' MINUTE) AS w, shop, SUM(v) AS s
FROM sales GROUP BY TUMBLE(ts, INTERVAL '1' MINUTE), ROLLUP (shop)

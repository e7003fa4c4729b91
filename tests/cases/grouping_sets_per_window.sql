-- why     sets within windows: each window gives its groups once, when it closes
-- input   sales: shop STRING, v INT, ts TIMESTAMP(3); watermark ts - 0s
--         a,1,00:00:10
--         b,2,00:00:20
--         a,4,00:01:10
-- expect  window_start,shop,g,s
--         00:00:00,a,0,1
--         00:00:00,b,0,2
--         00:00:00,NULL,1,3
--         00:01:00,a,0,4
--         00:01:00,NULL,1,4
SELECT window_start, shop, GROUPING(shop) AS g, SUM(v) AS s
FROM TUMBLE(TABLE sales, DESCRIPTOR(ts), INTERVAL '1' MINUTE)
GROUP BY window_start, window_end, ROLLUP (shop)

-- why     a legacy window over a sub-query that filters and renames
-- input   bids: k STRING, v INT, ts TIMESTAMP(3); watermark ts - 0s
--         a,1,00:00:05
--         a,2,00:00:35
--         b,4,00:04:00
--         b,8,00:06:00
--         a,16,00:11:00
-- expect  who,ends,total
--         b,00:05:00,4
--         b,00:10:00,8
SELECT who, TUMBLE_END(`at`, INTERVAL '5' MINUTE) AS ends, SUM(v) AS total
FROM (SELECT k AS who, v, ts AS `at` FROM bids WHERE k = 'b')
GROUP BY TUMBLE(`at`, INTERVAL '5' MINUTE), who

-- why     results of windows are rows like any other: they can be put together again
-- input   bids: k STRING, ts TIMESTAMP(3); watermark ts - 0s
--         a,00:00:05
--         b,00:01:05
-- expect  what,at,n
--         one,00:00:00,1
--         one,00:01:00,1
--         two,00:00:00,2
SELECT 'one' AS what, window_start AS `at`, COUNT(*) AS n
FROM TABLE(TUMBLE(TABLE bids, DESCRIPTOR(ts), INTERVAL '1' MINUTE)) GROUP BY window_start, window_end
UNION ALL
SELECT 'two', window_start, COUNT(*)
FROM TABLE(TUMBLE(TABLE bids, DESCRIPTOR(ts), INTERVAL '2' MINUTE)) GROUP BY window_start, window_end

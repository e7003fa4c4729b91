-- why     a time column keeps its marks under another name, through a filter and a projection
-- input   t: k STRING, v INT, ts TIMESTAMP(3); watermark ts - 1s
--         a,1,00:00:01
--         a,-5,00:00:02
--         a,3,00:00:59
--         a,4,00:01:02
-- expect  w,total
--         00:00:00,4
--         00:01:00,4
WITH some_rows AS (SELECT ts AS `at`, v FROM t WHERE v > 0)
SELECT window_start AS w, SUM(v) AS total
FROM TUMBLE(TABLE some_rows, DESCRIPTOR(`at`), INTERVAL '1' MINUTE)
GROUP BY window_start, window_end

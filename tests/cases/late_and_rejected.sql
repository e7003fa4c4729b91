-- why     a late row and a bad row are two things, each in its own stream
-- input   t: k STRING, v INT, ts TIMESTAMP(3); watermark ts - 0s
--         a,1,00:00:10
--         a,0,00:00:20
--         b,1,00:02:00
--         c,1,00:00:30
--         d,1,NULL
-- expect  k,s
--         a,10
--         b,10
-- late    c,10,00:00:30
-- rejected division by zero
--         the event time 'ts' is NULL
-- targets flink gap: it takes no query inside TABLE( )
SELECT k, SUM(v) AS s
FROM TUMBLE(TABLE (SELECT k, 10 / v AS v, ts FROM t), DESCRIPTOR(ts), INTERVAL '1' MINUTE)
GROUP BY k, window_start, window_end

-- why     where only inserts are told nothing ever changes: a result may go into a window
-- input   told: op STRING, v INT, ts TIMESTAMP(3); watermark ts - 0s
--         +,5,00:00:10
--         +,7,00:00:50
--         +,1,00:01:10
-- expect  total
--         12
--         1
-- targets flink gap: the event time does not pass its process table functions
SELECT SUM(v) AS total
FROM TUMBLE(TABLE (SELECT * FROM FROM_CHANGELOG(TABLE told, DESCRIPTOR(op), MAP['+', 'INSERT'])), DESCRIPTOR(ts), INTERVAL '1' MINUTE)
GROUP BY window_start, window_end

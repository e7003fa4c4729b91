-- why     marks wait for the answers: no row is late for having waited, and a late one stays late
-- input   t: k STRING, ts TIMESTAMP(3); watermark ts - 0s
--         a,00:00:05
--         b,00:01:10
--         a,00:00:20
--         b,00:01:50
-- expect  window_start,up,n
--         00:00:00,A,1
--         00:01:00,B,2
-- late    00:00:20,A
-- targets flink gap: a Python function
CREATE FUNCTION looked_up AS 'tests.functions.looked_up' LANGUAGE PYTHON;
CREATE VIEW up AS SELECT ts, looked_up(k) AS up FROM t;
SELECT window_start, up, COUNT(*) AS n
FROM TUMBLE(TABLE up, DESCRIPTOR(ts), INTERVAL '1' MINUTE) GROUP BY window_start, window_end, up

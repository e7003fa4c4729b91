-- why     rows made of a row keep its time: they fall into its window, and are late with it
-- input   lines: text STRING, ts TIMESTAMP(3); watermark ts - 0s
--         a b,00:00:05
--         b,00:01:10
--         a late,00:00:20
--         b a,00:01:50
-- expect  window_start,word,n
--         00:00:00,a,1
--         00:00:00,b,1
--         00:01:00,b,2
--         00:01:00,a,1
-- late    a late,00:00:20,a,1
--         a late,00:00:20,late,4
-- targets flink gap: a Python function
CREATE FUNCTION words AS 'tests.functions.words' LANGUAGE PYTHON;
CREATE VIEW split AS SELECT * FROM lines, LATERAL TABLE(words(text));
SELECT window_start, word, COUNT(*) AS n
FROM TUMBLE(TABLE split, DESCRIPTOR(ts), INTERVAL '1' MINUTE) GROUP BY window_start, window_end, word

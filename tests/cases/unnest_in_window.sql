-- why     elements have the time of their row, so that windows go on above
-- input   texts: line STRING, ts TIMESTAMP(3); watermark ts - 0s
--         a b,00:00:01
--         b,00:00:59
--         a,00:01:01
-- expect  window_start,word,n
--         00:00:00,a,1
--         00:00:00,b,2
--         00:01:00,a,1
CREATE VIEW words AS SELECT word, ts FROM texts CROSS JOIN UNNEST(SPLIT(line, ' ')) AS t (word);
SELECT window_start, word, COUNT(*) AS n
FROM TUMBLE(TABLE words, DESCRIPTOR(ts), INTERVAL '1' MINUTE)
GROUP BY window_start, window_end, word

-- why     a key that is computed divides sessions as a column does
-- input   t: k STRING, v INT, ts TIMESTAMP(3); watermark ts - 0s
--         a,1,00:00:00
--         A,3,00:00:40
--         b,2,00:00:50
-- expect  name,n,ends
--         A,2,00:01:40
--         B,1,00:01:50
SELECT UPPER(k) AS name, COUNT(*) AS n, SESSION_END(ts, INTERVAL '1' MINUTE) AS ends
FROM t GROUP BY SESSION(ts, INTERVAL '1' MINUTE), UPPER(k)

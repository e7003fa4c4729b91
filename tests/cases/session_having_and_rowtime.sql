-- why     the end of a legacy session may be read in HAVING and in expressions over it
-- input   t: k STRING, ts TIMESTAMP(3); watermark ts - 0s
--         a,00:00:00
--         a,00:00:30
--         b,00:00:40
-- expect  k,next_day,n
--         a,1970-01-02 00:01:30,2
SELECT k, SESSION_END(ts, INTERVAL '1' MINUTE) + INTERVAL '1' DAY AS next_day, COUNT(*) AS n
FROM t GROUP BY k, SESSION(ts, INTERVAL '1' MINUTE)
HAVING COUNT(*) > 1 AND SESSION_START(ts, INTERVAL '1' MINUTE) < TIMESTAMP '1970-01-01 01:00:00'

-- why     LEAD would have to wait for the next row, however long
-- input   t: k STRING, v INT, ts TIMESTAMP(3); watermark ts - 0s
-- error   LEAD
--         LAG
-- at      1:8
SELECT LEAD(v) OVER (ORDER BY ts) FROM t

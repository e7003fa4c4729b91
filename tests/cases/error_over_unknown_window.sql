-- why     a window that is not defined, with the ones that are
-- input   t: k STRING, v INT, ts TIMESTAMP(3); watermark ts - 0s
-- error   window
--         win
-- at      1:8
SELECT SUM(v) OVER wim FROM t WINDOW win AS (ORDER BY ts)

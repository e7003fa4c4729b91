-- why     bounds alone, no equation
-- input   clicks: id INT, ad STRING, cts TIMESTAMP(3); watermark cts - 0s
--         1,x,00:10:00
--         2,y,00:20:00
--         3,x,00:30:00
--         4,z,01:00:00
-- input   shows: ad STRING, place STRING, sts TIMESTAMP(3); watermark sts - 0s
--         x,top,00:05:00
--         y,side,00:21:00
--         x,low,00:29:00
--         w,foot,01:00:00
-- expect  id,place
--         2,side
--         3,low
--         4,foot
SELECT id, place FROM clicks c JOIN shows s
ON s.sts BETWEEN c.cts - INTERVAL '1' MINUTE AND c.cts + INTERVAL '1' MINUTE

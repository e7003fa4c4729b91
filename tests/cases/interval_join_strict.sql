-- why     strict bounds leave the very edge out
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
--         3,low
SELECT id, place FROM clicks c JOIN shows s ON c.ad = s.ad
AND c.cts > s.sts AND c.cts < s.sts + INTERVAL '5' MINUTE

-- why     one statement set is one job: both results come from one pass over the source
-- input   bids: k STRING, v INT, ts TIMESTAMP(3); watermark ts - 0s
--         a,1,00:00:05
--         b,7,00:01:05
-- expect  big: k,v
--         b,7
-- expect  per_minute: at,n
--         00:00:00,1
--         00:01:00,1
CREATE TABLE big (k STRING, v INT) WITH ('connector' = 'memory');
CREATE TABLE per_minute (`at` TIMESTAMP(3), n BIGINT) WITH ('connector' = 'memory');
EXECUTE STATEMENT SET BEGIN
  INSERT INTO big SELECT k, v FROM bids WHERE v > 5;
  INSERT INTO per_minute SELECT window_start, COUNT(*)
    FROM TABLE(TUMBLE(TABLE bids, DESCRIPTOR(ts), INTERVAL '1' MINUTE)) GROUP BY window_start, window_end;
END

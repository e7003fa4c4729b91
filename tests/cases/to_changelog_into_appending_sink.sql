-- why     what a sink for new rows alone refuses may be told to it
-- input   t: k STRING; changes
--         + a
--         - a
--         + b
-- expect  log: what,k
--         INSERT,a
--         DELETE,a
--         INSERT,b
CREATE TABLE log (what STRING, k STRING) WITH ('connector' = 'memory');
INSERT INTO log SELECT * FROM TO_CHANGELOG(TABLE t)

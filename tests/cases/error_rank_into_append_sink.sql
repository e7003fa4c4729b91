-- why     a top-N changes rows it gave before: a sink that takes only new rows cannot have it
-- input   t: k STRING, v INT; endless
-- error   takes only new rows
CREATE TABLE out_ (v INT) WITH ('connector' = 'filesystem', 'path' = '/tmp/x', 'format' = 'json');
INSERT INTO out_ SELECT v FROM (SELECT v, ROW_NUMBER() OVER (ORDER BY v) AS rn FROM t) WHERE rn <= 3;

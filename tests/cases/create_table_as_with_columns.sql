-- why     CREATE TABLE … AS may declare further columns: a key and computed columns
-- input   bids: k STRING, v INT
--         a,1
--         a,2
--         b,5
-- expect  totals: k,n,total
--         a,2,3
--         b,1,5
-- targets flink gap: its key must be of a column without NULLs
CREATE TABLE totals (PRIMARY KEY (k) NOT ENFORCED, mean AS total / n) WITH ('connector' = 'memory')
AS SELECT k, COUNT(*) AS n, SUM(v) AS total FROM bids GROUP BY k

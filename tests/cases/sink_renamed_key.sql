-- why     the sink's key is found by position, whatever the query calls the column
-- input   bids: k STRING, v INT
--         a,1
--         a,2
-- expect  highs: country,high
--         a,2
CREATE TABLE highs (country STRING, high INT, PRIMARY KEY (country) NOT ENFORCED) WITH ('connector' = 'memory');
INSERT INTO highs SELECT k, MAX(v) FROM bids GROUP BY k

-- why     two sinks on one view share its steps, and each gets all it needs
-- input   bids: k STRING, v INT, w INT
--         a,1,10
--         a,2,20
-- expect  totals: k,total
--         a,3
-- expect  highs: k,high
--         a,20
CREATE VIEW per_k AS SELECT k, SUM(v) AS total, MAX(w) AS high FROM bids GROUP BY k;
CREATE TABLE totals (k STRING, total INT) WITH ('connector' = 'memory');
CREATE TABLE highs (k STRING, high INT) WITH ('connector' = 'memory');
EXECUTE STATEMENT SET BEGIN
  INSERT INTO totals SELECT k, total FROM per_k;
  INSERT INTO highs SELECT k, high FROM per_k;
END

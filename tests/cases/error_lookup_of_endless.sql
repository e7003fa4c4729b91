-- why     a table that never ends cannot be read whole, and says so before the job runs
-- input   o: id INT, k INT
--         1,10
-- error   no end
CREATE TABLE made (uid INT, name STRING) WITH ('connector' = 'datagen');
SELECT o.id, m.name FROM (SELECT *, PROCTIME() AS pt FROM o) AS o
JOIN made FOR SYSTEM_TIME AS OF o.pt AS m ON o.k = m.uid

-- why     keys of every type, several at once, are compared as what they are
-- input   o: id INT, a STRING, b DECIMAL(10, 2), c DATE, d BOOLEAN
--         1,x,1.50,2026-01-02,TRUE
--         2,x,1.50,2026-01-02,FALSE
--         3,x,1.5,2026-01-02,TRUE
--         4,,1.50,2026-01-02,NULL
-- input   u: a STRING, b DECIMAL(10, 2), c DATE, d BOOLEAN, name STRING
--         x,1.50,2026-01-02,TRUE,yes
--         x,1.50,2026-01-02,FALSE,no
-- expect  id,name
--         1,yes
--         2,no
--         3,yes
-- targets flink gap: its files and memory cannot be looked up
SELECT o.id, u.name FROM (SELECT *, PROCTIME() AS pt FROM o) AS o
JOIN u FOR SYSTEM_TIME AS OF o.pt ON o.a = u.a AND o.b = u.b AND o.c = u.c AND o.d = u.d

-- why     a lookup asks by a column of the table
-- input   o: k STRING, id INT, ts TIMESTAMP(3); watermark ts - 0s
-- input   b: k STRING, w INT
-- error   needs an equation
-- at      1:27
SELECT o.id FROM o JOIN b FOR SYSTEM_TIME AS OF PROCTIME() ON o.id < b.w

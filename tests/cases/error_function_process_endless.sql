-- why     a timer that sets the next one for ever would keep bounded input from ending
-- input   t: k STRING, ts TIMESTAMP(3); watermark ts - 0s
--         a,00:00:01
-- error   sets one timer after the other at the end
CREATE FUNCTION tick AS 'tests.functions.TickTock' LANGUAGE PYTHON;
SELECT * FROM tick(TABLE t PARTITION BY k, endless => TRUE)

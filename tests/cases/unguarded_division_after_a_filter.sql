-- why     a filter pushed below a projection must not let its failures be lost, nor add any
-- input   t: a INT, b INT
--         4,2
--         1,0
-- expect  q
--         2
SELECT q FROM (SELECT a / b AS q, b FROM t WHERE b <> 0) WHERE q > 0

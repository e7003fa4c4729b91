-- why     IS NOT DISTINCT FROM compares NULLs as equal
-- input   bids: a INT, b INT
--         1,1
--         1,NULL
--         NULL,NULL
-- expect  same,differ
--         true,false
--         false,true
--         true,false
SELECT a IS NOT DISTINCT FROM b AS same, a IS DISTINCT FROM b AS differ FROM bids

-- why     FALSE AND NULL is FALSE, TRUE OR NULL is TRUE, the others stay unknown
-- input   bids: a BOOLEAN, b BOOLEAN
--         true,NULL
--         false,NULL
--         NULL,NULL
-- expect  c,d
--         NULL,true
--         false,NULL
--         NULL,NULL
SELECT a AND b AS c, a OR b AS d FROM bids

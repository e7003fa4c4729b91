-- why     NOT IN a list with NULL is never TRUE: Polars says otherwise
-- input   bids: v INT
--         1
--         2
--         NULL
-- expect  v,inside
--         1,true
--         2,NULL
--         NULL,NULL
SELECT v, v IN (1, CAST(NULL AS INT)) AS inside FROM bids

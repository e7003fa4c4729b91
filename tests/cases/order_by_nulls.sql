-- why     NULLs come first ascending, and NULLS LAST is obeyed
-- input   bids: k STRING, v INT
--         a,3
--         b,NULL
--         c,1
-- ordered k
--         c
--         a
--         b
SELECT k FROM bids ORDER BY v ASC NULLS LAST

-- why     each change becomes a row that stays, with its kind before its columns
-- input   t: k STRING, v INT; changes
--         + a,1
--         + b,2
--         - a,1
-- ordered op,k,v
--         INSERT,a,1
--         INSERT,b,2
--         DELETE,a,1
SELECT * FROM TO_CHANGELOG(TABLE t)

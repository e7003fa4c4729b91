-- why     every change of a result is told, also those that one batch would merge
-- input   t: k STRING, v INT
--         a,1
--         b,2
--         a,3
--         b,NULL
--         a,-3
-- ordered op,k,total
--         INSERT,a,1
--         INSERT,b,2
--         UPDATE_BEFORE,a,1
--         UPDATE_AFTER,a,4
--         UPDATE_BEFORE,a,4
--         UPDATE_AFTER,a,1
CREATE VIEW sums AS SELECT k, SUM(v) AS total FROM t GROUP BY k;
SELECT * FROM TO_CHANGELOG(TABLE sums)

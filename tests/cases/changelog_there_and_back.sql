-- why     told changes of an updating result, taken as changes again, lead to the same table
-- input   t: k STRING, v INT
--         a,1
--         b,2
--         a,3
--         b,NULL
--         c,9
-- expect  k,total
--         a,4
--         b,2
--         c,9
CREATE VIEW sums AS SELECT k, SUM(v) AS total FROM t GROUP BY k;
CREATE VIEW told AS SELECT * FROM TO_CHANGELOG(TABLE sums);
SELECT * FROM FROM_CHANGELOG(TABLE told)

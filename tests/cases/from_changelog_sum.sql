-- why     rows that tell of changes become changes: what is taken back leaves the sum
-- input   told: op STRING, id INT, grp STRING, v INT
--         INSERT,1,a,5
--         INSERT,2,a,7
--         UPDATE_BEFORE,1,a,5
--         UPDATE_AFTER,1,b,6
--         DELETE,2,a,7
-- expect  grp,total
--         b,6
SELECT grp, SUM(v) AS total FROM FROM_CHANGELOG(input => TABLE told) GROUP BY grp

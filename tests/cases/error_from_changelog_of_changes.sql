-- why     rows that may be taken back cannot tell of changes: which of the two would be meant?
-- input   t: op STRING, v INT
-- error   FROM_CHANGELOG needs rows that never change
--         Aggregate by [op]
SELECT * FROM FROM_CHANGELOG(TABLE (SELECT op, COUNT(*) AS n FROM t GROUP BY op))

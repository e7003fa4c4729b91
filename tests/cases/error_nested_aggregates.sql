-- why     an aggregate of an aggregate needs a sub-query
-- input   t: v INT
-- error   aggregate
SELECT SUM(COUNT(v)) AS s FROM t

-- why     values around are joined by =, so a condition that is TRUE of a NULL would lose it
-- input   a: id INT, v INT
-- input   b: id INT, w INT
-- error   TRUE of a NULL
-- at      1:59
SELECT (SELECT COUNT(*) FROM b WHERE b.w IS DISTINCT FROM a.v) AS n FROM a

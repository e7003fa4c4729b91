-- why     CUBE of many keys has more sets than anyone means
-- input   m: c0 INT, c1 INT, c2 INT, c3 INT, c4 INT, c5 INT, c6 INT, c7 INT, c8 INT
-- error   more than 256 sets
-- at      1:38
SELECT COUNT(*) AS n FROM m GROUP BY CUBE (c0, c1, c2, c3, c4, c5, c6, c7, c8)

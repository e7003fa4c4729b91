-- why     a hint that means something here is not passed over
-- input   a: id INT, k STRING, v INT
-- error   The hint STATE_TTL
SELECT /*+ STATE_TTL('a' = '1d') */ k, COUNT(*) AS n FROM a GROUP BY k

-- why     a card used for a small amount and at once for large ones, of rising size
-- input   t: k STRING, v INT, city STRING, ts TIMESTAMP(3); watermark ts - 5s
--         c1,1,Oslo,00:00:01
--         c1,600,Rome,00:00:05
--         c1,700,Rome,00:00:09
--         c2,1,Oslo,00:00:05
--         c2,900,Oslo,00:00:06
--         c1,650,Rome,00:00:12
--         c1,2,Rome,00:10:00
--         c1,800,Bern,00:10:30
-- expect  k,probe,uses,total,city
--         c1,1,2,1300,Rome
SELECT * FROM t MATCH_RECOGNIZE (
  PARTITION BY k ORDER BY ts
  MEASURES A.v AS probe, COUNT(B.v) AS uses, SUM(B.v) AS total, LAST(B.city) AS city
  AFTER MATCH SKIP PAST LAST ROW
  PATTERN (A B+ C) WITHIN INTERVAL '5' MINUTE
  DEFINE A AS A.v < 5, B AS B.v >= 500 AND B.v >= LAST(B.v, 1) IS NOT FALSE AND B.city <> A.city, C AS C.v < LAST(B.v)
) AS m

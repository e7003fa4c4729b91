-- why     the price falls, then rises: each fall is compared with the row before it
-- input   ticker: symbol STRING, price BIGINT, tax INT, ts TIMESTAMP(3); watermark ts - 1s
--         ACME,12,1,10:00:00
--         ACME,17,2,10:00:01
--         ACME,19,1,10:00:02
--         ACME,21,3,10:00:03
--         ACME,25,2,10:00:04
--         ACME,18,1,10:00:05
--         ACME,15,1,10:00:06
--         ACME,14,2,10:00:07
--         ACME,24,2,10:00:08
--         ACME,25,2,10:00:09
--         ACME,19,1,10:00:10
--         ACME,20,1,10:00:11
-- expect  symbol,since,bottom,until,falls,depth
--         ACME,10:00:04,10:00:07,10:00:08,3,11
--         ACME,10:00:09,10:00:10,10:00:11,1,6
SELECT * FROM ticker MATCH_RECOGNIZE (
  PARTITION BY symbol ORDER BY ts
  MEASURES S.ts AS since, LAST(DOWN.ts) AS bottom, LAST(UP.ts) AS until, COUNT(DOWN.price) AS falls, S.price - LAST(DOWN.price) AS depth
  ONE ROW PER MATCH
  AFTER MATCH SKIP TO LAST UP
  PATTERN (S DOWN+ UP)
  DEFINE
    DOWN AS (LAST(DOWN.price, 1) IS NULL AND DOWN.price < S.price) OR DOWN.price < LAST(DOWN.price, 1),
    UP AS UP.price > LAST(DOWN.price)
) AS m

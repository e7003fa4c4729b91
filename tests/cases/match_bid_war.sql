-- why     Nexmark-like: three bids on one auction, each higher by another bidder within ten seconds
-- input   bids: auction BIGINT, bidder BIGINT, price BIGINT, ts TIMESTAMP(3); watermark ts - 4s
--         1,10,100,00:00:01
--         1,11,120,00:00:03
--         2,10,50,00:00:03
--         1,10,150,00:00:02
--         1,12,160,00:00:08
--         2,11,60,00:00:09
--         2,10,70,00:00:14
--         2,12,80,00:00:15
--         1,11,90,00:00:16
--         1,12,95,00:00:17
--         1,11,99,00:00:18
-- expect  auction,first_bidder,last_bidder,raised
--         2,11,12,20
--         1,11,11,9
SELECT auction, first_bidder, last_bidder, raised FROM bids MATCH_RECOGNIZE (
  PARTITION BY auction ORDER BY ts
  MEASURES A.bidder AS first_bidder, C.bidder AS last_bidder, C.price - A.price AS raised
  ONE ROW PER MATCH
  AFTER MATCH SKIP TO NEXT ROW
  PATTERN (A B C) WITHIN INTERVAL '10' SECOND
  DEFINE
    B AS B.price > A.price AND B.bidder <> A.bidder,
    C AS C.price > B.price AND C.bidder <> B.bidder
) AS m

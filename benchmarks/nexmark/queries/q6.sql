-- Average selling price per seller over the auction at hand and the ten before it. An auction's
-- price is its highest bid while it was open, and the auctions of a seller are in the order of
-- those bids. The public text cannot run (its filter stands a level too deep, its seller is a
-- text): this one is what it means. Flink refuses it all the same, for the winning bids are updated
-- and then sorted.

CREATE TABLE q6 (seller BIGINT, avg_price BIGINT) WITH (${sink});

INSERT INTO q6
SELECT
  seller,
  AVG(price) OVER (
    PARTITION BY seller ORDER BY `dateTime` ROWS BETWEEN 10 PRECEDING AND CURRENT ROW)
FROM (
  SELECT seller, price, `dateTime`
  FROM (
    SELECT
      a.seller, b.price, b.`dateTime`,
      ROW_NUMBER() OVER (PARTITION BY a.id ORDER BY b.price DESC, b.`dateTime` ASC) AS place
    FROM auction AS a
    JOIN bid AS b ON b.auction = a.id AND b.`dateTime` BETWEEN a.`dateTime` AND a.expires
  )
  WHERE place = 1
);

-- Highest bid: the bids that reach the highest price of a 10 second window. A bid at the very end
-- of the window counts as well.

CREATE TABLE q7 (
  auction BIGINT, bidder BIGINT, price BIGINT, `dateTime` TIMESTAMP(3), extra VARCHAR
) WITH (${sink});

INSERT INTO q7
SELECT b.auction, b.bidder, b.price, b.`dateTime`, b.extra
FROM bid AS b
JOIN (
  SELECT window_end, MAX(price) AS price
  FROM TABLE(TUMBLE(TABLE bid, DESCRIPTOR(`dateTime`), INTERVAL '10' SECOND))
  GROUP BY window_start, window_end
) AS w
  ON w.price = b.price
  AND b.`dateTime` BETWEEN w.window_end - INTERVAL '10' SECOND AND w.window_end;

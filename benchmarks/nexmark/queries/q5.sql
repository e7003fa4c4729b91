-- Hot items: every 2 seconds, the auctions with the most bids in the last 10 seconds; several where
-- they have equally many.

CREATE TABLE q5 (auction BIGINT, num BIGINT) WITH (${sink});

INSERT INTO q5
WITH counted AS (
  SELECT auction, window_start, window_end, COUNT(*) AS num
  FROM TABLE(HOP(TABLE bid, DESCRIPTOR(`dateTime`), INTERVAL '2' SECOND, INTERVAL '10' SECOND))
  GROUP BY auction, window_start, window_end
), most AS (
  SELECT window_start, window_end, MAX(num) AS num
  FROM counted
  GROUP BY window_start, window_end
)
SELECT c.auction, c.num
FROM counted AS c
JOIN most AS m
  ON m.window_start = c.window_start AND m.window_end = c.window_end AND m.num = c.num;

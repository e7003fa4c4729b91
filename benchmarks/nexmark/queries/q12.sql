-- Windows by the clock: how many bids a bidder makes in 10 seconds of processing time. The rows
-- depend on the speed of the run; only the sum of the counts does not.

CREATE VIEW bid_by_clock AS
SELECT bidder, PROCTIME() AS seen_at
FROM bid;

CREATE TABLE q12 (
  bidder BIGINT, bid_count BIGINT, starttime TIMESTAMP(3), endtime TIMESTAMP(3)
) WITH (${sink});

INSERT INTO q12
SELECT bidder, COUNT(*), window_start, window_end
FROM TABLE(TUMBLE(TABLE bid_by_clock, DESCRIPTOR(seen_at), INTERVAL '10' SECOND))
GROUP BY bidder, window_start, window_end;

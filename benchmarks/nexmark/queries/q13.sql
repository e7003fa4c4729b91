-- Side input: each bid with what a file says about its auction. The file has 10 000 lines 'i,i', is
-- read once and looked up; Flink's own filesystem connector cannot be looked up.

CREATE TABLE side_input (`key` BIGINT, `value` VARCHAR) WITH (
  'connector' = 'filesystem', 'path' = '${side_input}', 'format' = 'csv'
);

CREATE TABLE q13 (
  auction BIGINT, bidder BIGINT, price BIGINT, `dateTime` TIMESTAMP(3), `value` VARCHAR
) WITH (${sink});

INSERT INTO q13
SELECT b.auction, b.bidder, b.price, b.`dateTime`, s.`value`
FROM (SELECT *, PROCTIME() AS seen_at FROM bid) AS b
JOIN side_input FOR SYSTEM_TIME AS OF b.seen_at AS s ON s.`key` = MOD(b.auction, 10000);

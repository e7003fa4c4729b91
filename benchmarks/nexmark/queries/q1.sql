-- Currency: every bid with its price in euros, an exact decimal.

CREATE TABLE q1 (
  auction BIGINT, bidder BIGINT, price DECIMAL(23, 3), `dateTime` TIMESTAMP(3), extra VARCHAR
) WITH (${sink});

INSERT INTO q1
SELECT auction, bidder, 0.908 * price, `dateTime`, extra
FROM bid;

-- Selection: the bids for the auctions whose number is divisible by 123.

CREATE TABLE q2 (auction BIGINT, price BIGINT) WITH (${sink});

INSERT INTO q2
SELECT auction, price
FROM bid
WHERE MOD(auction, 123) = 0;

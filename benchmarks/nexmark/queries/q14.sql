-- Calculation: the bids of a price range in euros, with the part of the day they were made in and
-- how many letters 'c' they carry, which a function of one's own counts.

CREATE FUNCTION count_char AS 'benchmarks.nexmark.functions.count_char' LANGUAGE PYTHON;

CREATE TABLE q14 (
  auction BIGINT, bidder BIGINT, price DECIMAL(23, 3), bidTimeType VARCHAR, `dateTime` TIMESTAMP(3),
  extra VARCHAR, c_counts BIGINT
) WITH (${sink});

INSERT INTO q14
SELECT
  auction, bidder, 0.908 * price,
  CASE
    WHEN HOUR(`dateTime`) BETWEEN 8 AND 18 THEN 'dayTime'
    WHEN HOUR(`dateTime`) <= 6 OR HOUR(`dateTime`) >= 20 THEN 'nightTime'
    ELSE 'otherTime'
  END,
  `dateTime`, extra, count_char(extra, 'c')
FROM bid
WHERE 0.908 * price > 1000000 AND 0.908 * price < 50000000;

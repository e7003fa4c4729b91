-- Average price per category of the best bids so far: of each auction the highest bid made while it
-- was open. The average of BIGINTs is a BIGINT.

CREATE TABLE q4 (id BIGINT, `final` BIGINT) WITH (${sink});

INSERT INTO q4
SELECT category, AVG(best)
FROM (
  SELECT a.id, a.category, MAX(b.price) AS best
  FROM auction AS a
  JOIN bid AS b ON b.auction = a.id AND b.`dateTime` BETWEEN a.`dateTime` AND a.expires
  GROUP BY a.id, a.category
)
GROUP BY category;

-- All there is of each item; every change is given out.
CREATE TABLE grouped (item_id BIGINT, n BIGINT, total BIGINT) WITH (${sink});

INSERT INTO grouped
SELECT item_id, COUNT(*), SUM(amount) FROM plain GROUP BY item_id;

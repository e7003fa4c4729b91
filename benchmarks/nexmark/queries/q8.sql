-- New users: the persons who appeared and opened an auction in the same 10 seconds.

CREATE TABLE q8 (id BIGINT, name VARCHAR, stime TIMESTAMP(3)) WITH (${sink});

INSERT INTO q8
SELECT p.id, p.name, p.window_start
FROM (
  SELECT id, name, window_start, window_end
  FROM TABLE(TUMBLE(TABLE person, DESCRIPTOR(`dateTime`), INTERVAL '10' SECOND))
  GROUP BY id, name, window_start, window_end
) AS p
JOIN (
  SELECT seller, window_start, window_end
  FROM TABLE(TUMBLE(TABLE auction, DESCRIPTOR(`dateTime`), INTERVAL '10' SECOND))
  GROUP BY seller, window_start, window_end
) AS s
  ON s.seller = p.id AND s.window_start = p.window_start AND s.window_end = p.window_end;

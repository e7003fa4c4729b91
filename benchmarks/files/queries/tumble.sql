-- Windows of 10 seconds per user.
CREATE TABLE tumbled (
  user_id BIGINT, window_start TIMESTAMP(3), n BIGINT, total BIGINT
) WITH (${sink});

INSERT INTO tumbled
SELECT user_id, window_start, COUNT(*), SUM(amount)
FROM TABLE(TUMBLE(TABLE plain, DESCRIPTOR(ts), INTERVAL '10' SECOND))
GROUP BY user_id, window_start, window_end;

-- One row in ten.
CREATE TABLE filtered (id BIGINT, user_id BIGINT, amount BIGINT, ts TIMESTAMP(3)) WITH (${sink});

INSERT INTO filtered
SELECT id, user_id, amount, ts FROM plain WHERE amount >= 91000;

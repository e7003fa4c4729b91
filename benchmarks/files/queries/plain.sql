-- The flat table of the plain shapes: documents of 102 bytes with their line ends.
CREATE TABLE plain (
  id BIGINT, user_id BIGINT, item_id BIGINT, amount BIGINT, ts TIMESTAMP(3),
  WATERMARK FOR ts AS ts - INTERVAL '4' SECOND
) WITH (${source});

-- Channel ids: four channels have a number, the others bring it in their url; bids without one are
-- left out.

CREATE TABLE q21 (
  auction BIGINT, bidder BIGINT, price BIGINT, channel VARCHAR, channel_id VARCHAR
) WITH (${sink});

INSERT INTO q21
SELECT auction, bidder, price, channel, channel_id
FROM (
  SELECT
    auction, bidder, price, channel,
    CASE LOWER(channel)
      WHEN 'apple' THEN '0'
      WHEN 'google' THEN '1'
      WHEN 'facebook' THEN '2'
      WHEN 'baidu' THEN '3'
      ELSE REGEXP_EXTRACT(url, '(?:^|&)channel_id=([^&]*)', 1)
    END AS channel_id
  FROM bid
)
WHERE channel_id IS NOT NULL;

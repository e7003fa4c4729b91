-- What the browser looks at: a view of each kind, a large one, and rows that cannot be used.
SET 'pipeline.name' = 'orders';

CREATE TABLE orders (
  id BIGINT,
  account BIGINT,
  shop INT,
  hour_of_day INT,
  amount INT,
  ordered_at TIMESTAMP(3),
  WATERMARK FOR ordered_at AS ordered_at - INTERVAL '1' SECOND
) WITH (
  'connector' = 'datagen',
  'rows-per-second' = '10000',
  'seed' = '7',
  'fields.id.kind' = 'sequence', 'fields.id.start' = '0', 'fields.id.end' = '100000000',
  'fields.account.min' = '0', 'fields.account.max' = '99999',
  'fields.shop.min' = '0', 'fields.shop.max' = '11',
  'fields.hour_of_day.min' = '0', 'fields.hour_of_day.max' = '23',
  'fields.amount.min' = '0', 'fields.amount.max' = '500',
  'fields.ordered_at.max-past' = '3000'
);

CREATE MATERIALIZED VIEW all_orders AS
SELECT COUNT(*) AS orders, SUM(amount) AS revenue FROM orders;

CREATE MATERIALIZED VIEW orders_by_shop AS
SELECT shop, COUNT(*) AS orders
FROM (SELECT CONCAT('Shop ', CAST(shop AS STRING)) AS shop FROM orders) AS named GROUP BY shop;

CREATE MATERIALIZED VIEW orders_by_hour AS
SELECT hour_of_day, COUNT(*) AS orders FROM orders GROUP BY hour_of_day;

CREATE MATERIALIZED VIEW revenue_by_shop_and_hour AS
SELECT shop, hour_of_day, SUM(amount) AS revenue FROM orders GROUP BY shop, hour_of_day;

CREATE MATERIALIZED VIEW orders_per_second AS
SELECT window_start, window_end, COUNT(*) AS orders
FROM TUMBLE(TABLE orders, DESCRIPTOR(ordered_at), INTERVAL '1' SECOND)
GROUP BY window_start, window_end;

CREATE MATERIALIZED VIEW accounts AS
SELECT account, COUNT(*) AS orders, SUM(amount) AS spent, MAX(amount) AS largest
FROM orders GROUP BY account;

CREATE MATERIALIZED VIEW shops_on_the_map AS
SELECT shop, 40.0 + shop AS lat, -120.0 + 4 * shop AS lon, SUM(amount) AS revenue
FROM orders GROUP BY shop;

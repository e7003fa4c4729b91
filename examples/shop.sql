-- A shop's orders as they are placed (made up here), on a wall of live views. From the project's folder:
--   millstream run examples/shop.sql --ui
-- and open the address it prints. One order in 2 000 has a broken amount: it is kept aside, with the reason.
CREATE TABLE placed (
  id BIGINT, customer INT, dice INT, kind INT, cents INT, typo INT, north INT, east INT,
  ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '1' SECOND
) WITH (
  'connector' = 'datagen', 'rows-per-second' = '600',
  'fields.id.min' = '1', 'fields.id.max' = '99999999',
  'fields.customer.min' = '1', 'fields.customer.max' = '400',
  'fields.dice.min' = '1', 'fields.dice.max' = '100', 'fields.kind.min' = '1',
  'fields.kind.max' = '6', 'fields.cents.min' = '150', 'fields.cents.max' = '18000',
  'fields.typo.min' = '1', 'fields.typo.max' = '2000', 'fields.north.min' = '0',
  'fields.north.max' = '3', 'fields.east.min' = '0', 'fields.east.max' = '5'
);

CREATE VIEW orders AS
SELECT
  id, ts, customer,
  CASE WHEN dice <= 31 THEN 'Germany' WHEN dice <= 52 THEN 'France' WHEN dice <= 70 THEN 'Italy'
       WHEN dice <= 84 THEN 'Spain' WHEN dice <= 93 THEN 'Poland' ELSE 'Austria' END AS country,
  ELT(kind, 'books', 'games', 'garden', 'kitchen', 'music', 'sports') AS category,
  -- Skewed, so that there is a best customer: the higher the number, the smaller the order.
  CAST(CASE WHEN typo = 1 THEN 'n/a' ELSE CAST(cents AS STRING) END AS DOUBLE)
    / (100 + customer) AS amount,
  -- The centre of a field of 3 degrees; the products make the middle the busiest.
  42 + 3 * (north * customer / 400) AS lat, 1 + 3 * (east * dice / 100) AS lon
FROM placed;

CREATE MATERIALIZED VIEW sold WITH ('chart.title' = 'Sold so far') AS
SELECT ROUND(SUM(amount), 2) AS revenue, COUNT(*) AS orders FROM orders;

CREATE MATERIALIZED VIEW per_second WITH ('chart.title' = 'Orders a second', 'rows-max' = '600') AS
SELECT window_end, COUNT(*) AS orders
FROM TUMBLE(TABLE orders, DESCRIPTOR(ts), INTERVAL '1' SECOND) GROUP BY window_start, window_end;

CREATE MATERIALIZED VIEW per_country
WITH ('chart.title' = 'Revenue in ten seconds', 'chart.kind' = 'line', 'chart.x' = 'window_end',
      'chart.y' = 'revenue', 'chart.by' = 'country', 'rows-max' = '1800') AS
SELECT window_end, country, ROUND(SUM(amount), 2) AS revenue
FROM HOP(TABLE orders, DESCRIPTOR(ts), INTERVAL '2' SECOND, INTERVAL '10' SECOND)
GROUP BY window_start, window_end, country;

CREATE MATERIALIZED VIEW countries
WITH ('chart.title' = 'Orders by country', 'chart.kind' = 'bar') AS
SELECT country, COUNT(*) AS orders FROM orders GROUP BY country;

CREATE MATERIALIZED VIEW baskets WITH ('chart.title' = 'What goes where', 'chart.kind' = 'heat') AS
SELECT country, category, ROUND(AVG(amount), 2) AS mean_amount FROM orders GROUP BY country, category;

CREATE MATERIALIZED VIEW best_customers
WITH ('chart.title' = 'Best customers', 'chart.kind' = 'top', 'chart.x' = 'customer',
      'chart.y' = 'spent', 'chart.order' = '-spent', 'chart.limit' = '10') AS
SELECT customer, ROUND(SUM(amount), 2) AS spent, COUNT(*) AS orders FROM orders GROUP BY customer;

CREATE MATERIALIZED VIEW places WITH ('chart.title' = 'Where from', 'chart.kind' = 'geo') AS
SELECT lat, lon, COUNT(*) AS orders FROM orders GROUP BY lat, lon;

CREATE MATERIALIZED VIEW newest WITH ('chart.title' = 'Newest orders', 'rows-max' = '200') AS
SELECT ts, id, customer, country, category, ROUND(amount, 2) AS amount FROM orders;

CREATE ALERT few_orders ON per_country WHEN revenue < 15000 BY (country)
  SUMMARY '{country}: only {revenue} in ten seconds' TO ('log');

-- Revenue per country and minute, from a CSV file. Run it from the project's folder:
--   millstream run examples/revenue.sql
CREATE TABLE orders (
  id BIGINT, country STRING, amount DOUBLE, ts TIMESTAMP(3),
  WATERMARK FOR ts AS ts - INTERVAL '5' SECOND
) WITH ('connector' = 'filesystem', 'path' = 'examples/data/orders.csv', 'format' = 'csv');

CREATE TABLE revenue (
  window_start TIMESTAMP(3), country STRING, orders BIGINT, total DOUBLE
) WITH ('connector' = 'print');

INSERT INTO revenue
SELECT window_start, country, COUNT(*), SUM(amount)
FROM TUMBLE(TABLE orders, DESCRIPTOR(ts), INTERVAL '1' MINUTE)
WHERE amount > 0
GROUP BY window_start, window_end, country;

-- What nobody would name so, and values that are none: all of it must be shown, and do nothing.
SET 'pipeline.name' = 'odd <img src=x onerror=window.hacked=1> 🦀';

CREATE TABLE ticks (
  id BIGINT, k INT, v INT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '1' SECOND
) WITH (
  'connector' = 'datagen', 'rows-per-second' = '500', 'seed' = '7',
  'fields.id.kind' = 'sequence', 'fields.id.start' = '0', 'fields.id.end' = '100000000',
  'fields.k.min' = '0', 'fields.k.max' = '8', 'fields.v.min' = '-500', 'fields.v.max' = '500',
  'fields.ts.max-past' = '1000'
);

CREATE VIEW named AS
SELECT id, k, v, ts,
  CASE k WHEN 1 THEN '<img src=x onerror=window.hacked=1>' WHEN 2 THEN CAST(NULL AS STRING)
         WHEN 3 THEN '' WHEN 4 THEN 'sixty letters and more, ünïcödé 日本語, that go on and on and on'
         ELSE CONCAT('key ', CAST(k AS STRING)) END AS label,
  CASE k WHEN 1 THEN CAST('NaN' AS DOUBLE) WHEN 2 THEN CAST('Infinity' AS DOUBLE)
         WHEN 3 THEN CAST(NULL AS DOUBLE) WHEN 4 THEN -1e300 WHEN 5 THEN 1e-9
         ELSE CAST(v AS DOUBLE) END AS odd
FROM ticks;

CREATE MATERIALIZED VIEW `<img src=x onerror=window.hacked=1>` AS
SELECT label, MAX(odd) AS odd, MAX(id + 9007199254740990) AS `huge <b>bold</b>`
FROM named GROUP BY label;

CREATE MATERIALIZED VIEW figures AS
SELECT MAX(odd) AS worst, SUM(v) AS negative, MAX(id + 9007199254740990) AS huge FROM named;

CREATE MATERIALIZED VIEW top_odd WITH ('chart.kind' = 'top', 'chart.y' = 'odd') AS
SELECT label, MAX(odd) AS odd FROM named GROUP BY label;

CREATE MATERIALIZED VIEW bars_odd WITH ('chart.kind' = 'bar', 'chart.y' = 'odd') AS
SELECT k, MAX(odd) AS odd FROM named GROUP BY k;

CREATE MATERIALIZED VIEW lines_odd AS
SELECT ts, label, odd FROM named WHERE MOD(id, 25) = 0;

CREATE MATERIALIZED VIEW heat_odd AS
SELECT label, k, MAX(odd) AS odd FROM named GROUP BY label, k;

CREATE MATERIALIZED VIEW geo_odd AS
SELECT k, MAX(odd) AS lat, MAX(CAST(v AS DOUBLE)) AS lon FROM named GROUP BY k;

CREATE MATERIALIZED VIEW nothing AS
SELECT k, COUNT(*) AS n FROM ticks WHERE v > 1000 GROUP BY k;

CREATE MATERIALIZED VIEW top_of_texts WITH ('chart.kind' = 'top') AS
SELECT k, MAX(label) AS label FROM named GROUP BY k;

CREATE ALERT odd ON (SELECT label, MAX(v) AS most FROM named GROUP BY label)
  WHEN most > 10 SEVERITY 'critical' BY (label)
  SUMMARY '{label}: {most} <img src=x onerror=window.hacked=1>' TO ('log');

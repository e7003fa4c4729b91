-- why     FIRST, LAST and aggregates take expressions over one row
-- input   ticker: symbol STRING, price BIGINT, tax INT, ts TIMESTAMP(3); watermark ts - 1s
--         a,2,3,00:00:01
--         a,4,5,00:00:02
--         a,6,7,00:00:03
--         a,1,0,00:00:04
-- expect  symbol,last_,f_next,total,s
--         a,42,9,68,A
SELECT * FROM ticker MATCH_RECOGNIZE (
  PARTITION BY symbol ORDER BY ts
  MEASURES LAST(A.price * A.tax) AS last_, FIRST(A.price + A.tax, 1) AS f_next, SUM(A.price * A.tax) AS total, MAX(UPPER(A.symbol)) AS s
  AFTER MATCH SKIP PAST LAST ROW
  PATTERN (A+ B)
  DEFINE A AS A.price * A.tax > 0
) AS m

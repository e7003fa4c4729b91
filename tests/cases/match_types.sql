-- why     values of every kind come through, also where no row is measured
-- input   t: k STRING, d DECIMAL(10, 2), f DOUBLE, b BOOLEAN, day DATE, ts TIMESTAMP(3); watermark ts - 0s
--         a,1.50,0.5,true,2026-01-01,00:00:01
--         a,2.25,1.5,false,2026-01-02,00:00:02
--         a,2.75,2.5,true,2026-01-03,00:00:03
-- expect  k,d,total,mean,f,b,day,c_d,ks
--         a,1.50,6.50,2.166667,2.5,false,2026-01-02,NULL,'a,a,a'
SELECT * FROM t MATCH_RECOGNIZE (
  PARTITION BY k ORDER BY ts
  MEASURES A.d AS d, SUM(d) AS total, AVG(d) AS mean, LAST(f) AS f, B.b AS b, B.`day` AS `day`, C.d AS c_d, LISTAGG(k) AS ks
  AFTER MATCH SKIP PAST LAST ROW
  PATTERN (A B C? D)
  DEFINE B AS B.d > A.d AND B.f > A.f, C AS C.f > 100
) AS m

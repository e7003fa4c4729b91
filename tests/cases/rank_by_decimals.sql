-- why     decimals compare by their value, negative ones too
-- input   t: k STRING, d DECIMAL(20, 2)
--         a,-1.50
--         b,-12345678901234567.89
--         c,0.00
--         d,12345678901234567.89
-- expect  k
--         b
--         a
SELECT k FROM (SELECT k, ROW_NUMBER() OVER (ORDER BY d) AS rn FROM t) WHERE rn <= 2

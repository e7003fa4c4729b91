-- why     SUM of INT stays INT in Flink and wraps around; a wider type is the user's choice
-- input   t: v INT
--         2147483647
--         1
-- expect  narrow,wide
--         -2147483648,2147483648
SELECT SUM(v) AS narrow, SUM(CAST(v AS BIGINT)) AS wide FROM t

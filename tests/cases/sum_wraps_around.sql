-- why     SUM of INT is an INT in Flink and wraps around; summing as BIGINT does not
-- input   bids: v INT
--         2147483647
--         1
-- expect  small,big
--         -2147483648,2147483648
SELECT SUM(v) AS small, SUM(CAST(v AS BIGINT)) AS big FROM bids

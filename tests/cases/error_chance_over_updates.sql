-- why     a random value next to a result that is taken back could never be taken back
-- input   bids: k STRING
-- error   RAND
--         takes rows back
SELECT k, RAND() AS r FROM (SELECT k, COUNT(*) AS n FROM bids GROUP BY k)

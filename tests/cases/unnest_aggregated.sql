-- why     words are counted
-- input   texts: line STRING
--         a b a
--         b
--         a
-- expect  word,n
--         a,3
--         b,2
SELECT word, COUNT(*) AS n FROM texts CROSS JOIN UNNEST(SPLIT(line, ' ')) AS t (word) GROUP BY word

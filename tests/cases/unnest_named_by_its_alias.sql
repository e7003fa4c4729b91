-- why     a name without columns names the one column too
-- input   texts: line STRING
--         a b
-- expect  word
--         a
--         b
SELECT word FROM texts CROSS JOIN UNNEST(SPLIT(line, ' ')) AS word

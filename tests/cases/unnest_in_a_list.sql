-- why     a comma before UNNEST is a cross join with it
-- input   texts: id INT, line STRING
--         1,a b
-- expect  id,word
--         1,b
SELECT id, word FROM texts, UNNEST(SPLIT(line, ' ')) AS t (word) WHERE word <> 'a'

-- why     a row without elements has no number either
-- input   texts: id INT, line STRING
--         1,b a
--         3,NULL
-- expect  id,word,n
--         1,b,1
--         1,a,2
--         3,NULL,NULL
SELECT id, word, n FROM texts LEFT JOIN UNNEST(SPLIT(line, ' ')) WITH ORDINALITY AS t (word, n) ON TRUE

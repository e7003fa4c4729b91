-- why     CROSS JOIN UNNEST gives a row per element, none for an empty or NULL array
-- input   texts: id INT, line STRING
--         1,a b
--         3,NULL
--         4,c
-- expect  id,word
--         1,a
--         1,b
--         4,c
SELECT id, word FROM texts CROSS JOIN UNNEST(SPLIT(line, ' ')) AS t (word)

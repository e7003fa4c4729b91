-- why     WITH ORDINALITY numbers the elements of each row from 1
-- input   texts: id INT, line STRING
--         1,b a b
--         4,c
-- expect  id,word,n
--         1,b,1
--         1,a,2
--         1,b,3
--         4,c,1
SELECT id, word, n FROM texts CROSS JOIN UNNEST(SPLIT(line, ' ')) WITH ORDINALITY AS t (word, n)

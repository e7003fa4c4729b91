-- why     a value leaves the one filter's set with its last row there, and stays in the other's
-- input   words: w STRING, p INT; changes
--         + x,1
--         + x,2
--         + y,2
--         - x,1
--         + z,1
--         - y,2
-- expect  all_of_them,low,high
--         2,1,1
SELECT COUNT(DISTINCT w) AS all_of_them, COUNT(DISTINCT w) FILTER (WHERE p = 1) AS low,
  COUNT(DISTINCT w) FILTER (WHERE p = 2) AS high
FROM words

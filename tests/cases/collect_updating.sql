-- why     COLLECT over changes counts down and forgets values that are gone
-- input   words: w STRING; changes
--         + x
--         + x
--         + y
--         - x
--         - y
-- expect  ws
--         {"x": 1}
SELECT COLLECT(w) AS ws FROM words

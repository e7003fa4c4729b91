-- why     LISTAGG keeps arrival order when a text in the middle is taken back
-- input   words: w STRING; changes
--         + x
--         + y
--         + z
--         - y
-- expect  text,f,l
--         'x-z',x,z
SELECT LISTAGG(w, '-') AS text, FIRST_VALUE(w) AS f, LAST_VALUE(w) AS l FROM words

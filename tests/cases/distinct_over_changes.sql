-- why     DISTINCT over changing rows takes a row back when its last copy is gone
-- input   scores: k STRING, v INT; changes
--         + a,1
--         + b,1
--         - a,1
--         - b,1
--         + c,2
-- expect  v
--         2
SELECT DISTINCT v FROM scores

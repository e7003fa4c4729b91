-- why     arguments by place: DEFAULT keeps the name of the column; the table may be a query
-- input   t: k STRING, v INT
--         a,1
--         b,5
-- expect  op,k
--         c,b
SELECT * FROM TO_CHANGELOG((SELECT k FROM t WHERE v > 1), DEFAULT, MAP['INSERT', 'c'])

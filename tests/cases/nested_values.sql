-- why     rows, arrays and maps pass through and can be taken apart
-- input   docs: id INT, r ROW<a INT, b STRING>, xs ARRAY<INT>, m MAP<STRING, INT>
--         1,{"a": 5, "b": "x"},[1, 2, null],{"k": 7}
-- expect  id,a,b,x2,mk,xs
--         1,5,x,2,7,[1, 2, null]
SELECT id, r.a AS a, r.b AS b, xs[2] AS x2, m['k'] AS mk, xs FROM docs

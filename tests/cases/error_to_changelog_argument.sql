-- why     a misspelt argument would silently leave the mapping out
-- input   t: k STRING
-- error   TO_CHANGELOG has no argument mapping
--         It has input, op, op_mapping, uid
-- at      1:37
SELECT * FROM TO_CHANGELOG(TABLE t, mapping => MAP['INSERT', 'c'])

-- why     a mapping must be known before anything runs
-- input   t: k STRING, v STRING
-- error   The mapping of TO_CHANGELOG is not a MAP of constant texts
--         Write TO_CHANGELOG(TABLE t
SELECT * FROM TO_CHANGELOG(TABLE t, DESCRIPTOR(op), MAP['INSERT', v])

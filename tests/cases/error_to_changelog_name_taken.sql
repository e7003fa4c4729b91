-- why     the kind of change needs a name that no column has
-- input   t: op STRING, v INT
-- error   The column 'op' is there already
--         op => DESCRIPTOR(change)
-- at      1:15
SELECT * FROM TO_CHANGELOG(TABLE t)

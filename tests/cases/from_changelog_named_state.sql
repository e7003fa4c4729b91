-- why     uid names the step in Flink; arguments by name come in any order
-- input   told: what STRING, v INT
--         INSERT,1
--         INSERT,2
--         DELETE,1
-- expect  v
--         2
SELECT * FROM FROM_CHANGELOG(uid => 'told', op => DESCRIPTOR(what), input => TABLE told)

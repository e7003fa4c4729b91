-- why     codes of another system, several of them for one kind, in a column of another name
-- input   told: id INT, what STRING, v INT
--         1,c,5
--         2,r,7
--         1,ub,5
--         1,ua,6
--         2,d,7
-- expect  id,v
--         1,6
SELECT * FROM FROM_CHANGELOG(
  input => TABLE told,
  op => DESCRIPTOR(what),
  op_mapping => MAP['c, r', 'INSERT', 'ub', 'UPDATE_BEFORE', 'ua', 'UPDATE_AFTER', 'd', 'DELETE'])

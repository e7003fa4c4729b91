-- why     kinds without a code are left out, several kinds may share one
-- input   told: op STRING, id INT, v INT
--         INSERT,1,5
--         UPDATE_BEFORE,1,5
--         UPDATE_AFTER,1,6
--         DELETE,1,6
-- ordered code,id,v
--         put,1,5
--         put,1,6
--         gone,1,6
CREATE VIEW taken AS SELECT * FROM FROM_CHANGELOG(TABLE told);
SELECT * FROM TO_CHANGELOG(
  input => TABLE taken,
  op => DESCRIPTOR(code),
  op_mapping => MAP['INSERT, UPDATE_AFTER', 'put', 'DELETE', 'gone'])

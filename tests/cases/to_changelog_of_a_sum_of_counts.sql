-- why     what is told of a result of results are the changes of each row, through both
-- input   t: k STRING
--         a
--         b
--         a
-- expect  what,most,kinds
--         +,1,1
--         -,1,1
--         +,1,2
--         -,1,2
--         +,1,1
--         -,1,1
--         +,2,2
CREATE VIEW counts AS SELECT k, COUNT(*) AS n FROM t GROUP BY k;
CREATE VIEW most AS SELECT MAX(n) AS most, COUNT(*) AS kinds FROM counts;
SELECT * FROM TO_CHANGELOG(
  TABLE most,
  DESCRIPTOR(what),
  MAP['INSERT, UPDATE_AFTER', '+', 'UPDATE_BEFORE, DELETE', '-'])

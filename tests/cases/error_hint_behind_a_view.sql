-- why     OPTIONS are those of a table
-- input   a: id INT, k STRING, v INT
-- error   OPTIONS
CREATE VIEW w AS SELECT k FROM a;
SELECT k FROM w /*+ OPTIONS('x' = 'y') */

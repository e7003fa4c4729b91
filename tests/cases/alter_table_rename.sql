-- why     a renamed table and a renamed view are found under their new names only
-- input   bids: k STRING, v INT
--         a,1
-- expect  k
--         a
CREATE VIEW old_view AS SELECT k FROM bids;
ALTER VIEW old_view RENAME TO middle_view;
ALTER VIEW middle_view AS SELECT k FROM bids WHERE v > 0;
CREATE TABLE old_result (k STRING) WITH ('connector' = 'memory');
ALTER TABLE old_result RENAME TO `result`;
INSERT INTO `result` SELECT k FROM middle_view

-- why     ALTER TABLE adds, changes, renames and drops columns before the table is used
-- input   bids: k STRING, v INT
--         a,1
-- expect  key,v,note
--         a,1,new
CREATE TABLE `result` (a INT, k STRING, v INT) WITH ('connector' = 'memory');
ALTER TABLE `result` DROP a;
ALTER TABLE `result` RENAME k TO key;
ALTER TABLE `result` MODIFY v BIGINT;
ALTER TABLE `result` ADD (note STRING COMMENT 'why', first_one INT FIRST, after_key AS v + 1 AFTER key);
ALTER TABLE `result` DROP (first_one, after_key);
ALTER TABLE `result` SET ('name' = 'elsewhere');
ALTER TABLE `result` RESET ('name');
INSERT INTO `result` SELECT k, v, 'new' FROM bids

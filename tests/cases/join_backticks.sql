-- why     names in backticks, of tables and columns
-- input   a: id INT
--         1
-- input   b: id INT, v INT
--         1,7
-- expect  id,v
--         1,7
SELECT `left`.`id`, `the right`.`v` FROM `a` AS `left` JOIN `b` AS `the right` ON `left`.`id` = `the right`.`id`

-- why     a new row that never takes the old one back would count twice
-- input   told: op STRING, id INT
-- error   UPDATE_AFTER without UPDATE_BEFORE
--         Map a code to UPDATE_BEFORE
-- at      1:15
SELECT * FROM FROM_CHANGELOG(TABLE told, DESCRIPTOR(op), MAP['c', 'INSERT', 'u', 'UPDATE_AFTER'])

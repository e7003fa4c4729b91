-- why     a kind that does not exist is refused with the ones that do
-- input   told: op STRING, id INT
-- error   Unknown kind of change 'UPSERT'
-- at      1:15
SELECT * FROM FROM_CHANGELOG(TABLE told, DESCRIPTOR(op), MAP['c', 'UPSERT'])

-- why     ORDER BY … LIMIT in LATERAL is a top-N per row before it
-- input   teams: team STRING, quota INT
--         x,2
--         y,1
--         z,1
-- input   staff: id INT, team STRING, pay INT
--         1,x,10
--         2,x,30
--         3,y,20
--         4,x,20
-- expect  team,id
--         x,2
--         x,4
--         y,3
-- targets flink gap: its planner does not get the correlation out of a LIMIT
SELECT t.team, s.id FROM teams t,
LATERAL (SELECT id FROM staff WHERE staff.team = t.team ORDER BY pay DESC LIMIT 2) AS s

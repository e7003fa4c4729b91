-- why     OR REPLACE declares a table, a view and a function anew without a DROP
-- input   bids: k STRING, v INT
--         a,1
-- expect  w
--         1
-- targets flink gap: its CREATE OR REPLACE TABLE is only one with AS
CREATE TABLE `result` (k STRING) WITH ('connector' = 'memory');
CREATE OR REPLACE TABLE `result` (w INT) WITH ('connector' = 'memory');
CREATE VIEW some_bids AS SELECT k FROM bids;
CREATE OR REPLACE VIEW some_bids AS SELECT v AS w FROM bids;
INSERT INTO `result` SELECT w FROM some_bids

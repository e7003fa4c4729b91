-- why     a misspelt setting would be a wish nobody hears
-- input   t: a INT
-- error   'engine.chunk-row-max'
--         Did you mean 'engine.chunk-rows-max'
-- at      1:5
SET 'engine.chunk-row-max' = '5'; SELECT a FROM t

-- why     a module that fails when it is imported is the user's own: the message shows its line
-- input   t: v INT
-- error   The module 'tests.function_that_fails' fails when it is imported: ZeroDivisionError
--         function_that_fails.py:5: SHARE = 1 / 0
-- at      1:1
CREATE FUNCTION f AS 'tests.function_that_fails.share' LANGUAGE PYTHON;
SELECT f(v) FROM t

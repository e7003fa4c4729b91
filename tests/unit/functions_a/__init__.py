"""Unit tests of one half of the functions: types, casts, arithmetic, times, user functions."""

"""Aggregate functions as words of a slot: one small file per family."""

"""Expressions as plain data: tree, types, function catalogue."""

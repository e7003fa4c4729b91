"""The SQL door: a script in Flink SQL becomes statements and plans."""

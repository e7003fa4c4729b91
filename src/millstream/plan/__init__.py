"""The logical plan: nodes, what follows from them, ids, explain."""

"""Real servers for the tests: one Kafka broker and one PostgreSQL cluster, private and temporary.

Each is started once for a whole test session, shared by every xdist worker, and stopped with the
session, also when that is killed (``keeper``).
"""

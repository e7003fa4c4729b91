"""Keyed state: memory that grows in place, slots, a hash index over them, and value stores."""

"""Checkpoints as older versions wrote them, kept so that every later one can go on from them."""

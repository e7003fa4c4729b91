"""One file per system that events come from or go to."""

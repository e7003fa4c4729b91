"""The running steps, one file per kind."""

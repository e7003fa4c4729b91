"""The contracts of connectors and formats, and their registry."""

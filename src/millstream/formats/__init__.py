"""Payload formats: bytes to typed columns, and back."""

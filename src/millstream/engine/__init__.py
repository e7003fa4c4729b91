"""The embedded engine: plans become running steps over Polars frames."""

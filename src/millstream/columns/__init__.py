"""The physical side of columns: what engine, formats and connectors share about Polars frames."""

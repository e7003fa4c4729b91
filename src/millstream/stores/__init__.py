"""Where blobs are kept: one file per kind of store, and the one that opens them by address."""

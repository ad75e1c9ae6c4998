"""SQL over the store: one SELECT at a time, read-only, by an engine that is locked down."""

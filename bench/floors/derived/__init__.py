"""What the server computes: longer bars, as-of joins, SQL."""

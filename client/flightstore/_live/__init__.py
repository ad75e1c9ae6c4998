"""Following what is committed: positions, reconnects, bridges, and what is handed out."""

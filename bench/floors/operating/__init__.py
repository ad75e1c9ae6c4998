"""Running a server: starts, memory, replicas, cold segments, everybody at once."""

"""Reads on the server's own machine: its files are mapped, and nothing is sent or copied."""

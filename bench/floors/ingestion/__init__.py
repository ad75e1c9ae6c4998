"""Filling a store from an exchange, which is simulated."""

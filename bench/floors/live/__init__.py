"""Subscribers: what they get, and what they cost."""

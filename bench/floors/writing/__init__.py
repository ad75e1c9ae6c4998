"""Puts, durable before they are acknowledged, and the bytes they cost."""

"""Checking segments in the background, so that damage is known before somebody asks for the rows.

record   what is remembered across restarts
scrub    the check itself
"""

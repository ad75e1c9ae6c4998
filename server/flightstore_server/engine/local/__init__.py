"""Reads by clients on this machine: where rows lie, instead of the rows.

parts   the rows of one series as places in files
reads   whether that pays, and the answer
"""

"""Strategies tried with many sets of parameters, on every part of a plan.

grid      the sets of parameters
trials    what a worker does
progress  how far it has come
sweep     all of it, in order
"""

"""What flightstore is measured against where nothing is left to win: floors, and itself.

bare_flight.py is the floor of the wire and of a durable put; measurements.py has the names of all
measurements.
"""

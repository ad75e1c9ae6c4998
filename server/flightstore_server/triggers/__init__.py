"""Triggers: classes of the user's own that are called with what is committed.

interface     what such a class derives from, and what it is given
volume_alert  one that comes along, to be copied

configured    the triggers of one server
runner        one trigger: its position, its order, its failures
child         its process as the server sees it
wire          what the two say to each other
host          the process itself
"""

from flightstore_server.triggers.interface import Trigger, TriggerBatch

__all__ = ["Trigger", "TriggerBatch"]

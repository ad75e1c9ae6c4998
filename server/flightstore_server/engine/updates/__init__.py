"""What changed for a selection of series between two positions of the log.

selector  which series, and which of their columns
targets   which of them a log record concerns
update    what was gathered between two positions
derived   series that follow from others: which of their windows to send
follower  one after the other, from a position
history   the rows that are there as of a position
pieces    runs of rows as batches to be sent
"""

from flightstore_server.engine.updates.follower import Delivered, UpdateFollower
from flightstore_server.engine.updates.history import History
from flightstore_server.engine.updates.selector import Columns, Selector
from flightstore_server.engine.updates.update import Update

__all__ = ["Columns", "Delivered", "History", "Selector", "Update", "UpdateFollower"]

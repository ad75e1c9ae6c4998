"""Where a repair puts what it takes out of use: damaged/<n>/, under the files' own names.

Nothing is ever deleted there: what one repair cannot read, another tool may.
"""

from __future__ import annotations

from flightstore_server.storage import layout
from flightstore_server.storage.files import Files


class DamagedFolder:
    """The folder of one repair."""

    def __init__(self, files: Files) -> None:
        self._files = files
        files.make_dir(layout.DAMAGED_DIR)
        taken = [int(name) for name in files.list_dir(layout.DAMAGED_DIR) if name.isdecimal()]
        self._number = max(taken, default=0) + 1

    def move(self, name: str) -> str:
        """Take the file `name` away. Returns its new name."""
        to = layout.damaged(name, self._number)
        self._files.set_aside(name, to)
        return to

    def keep_copy(self, name: str) -> str:
        """Keep the file `name` here as well, before it is replaced. Returns its name here."""
        to = layout.damaged(name, self._number)
        folder = to.rpartition("/")[0]
        self._files.make_dir(folder)
        self._files.link(name, self._files.root / to)
        self._files.sync_dir(folder)
        return to

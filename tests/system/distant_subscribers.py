"""Subscribers in a process of their own.

    python -m tests.system.distant_subscribers URI SUBSCRIBERS ROWS

Says `ready` when every stream has brought a row, and `done` when each has brought all of ROWS.
"""

from __future__ import annotations

import sys
import threading

import flightstore as fs

NAME = "binance:BTC/USDT"


def main(uri: str, how_many: int, rows: int) -> None:
    ready = threading.Barrier(how_many + 1)
    done = threading.Barrier(how_many + 1)

    def follow() -> None:
        seen = 0
        with fs.connect(uri, same_host=False) as db, db.live(NAME, "1m", start="2000") as stream:
            for batch in stream:
                if not seen:
                    ready.wait()
                seen += batch.rows.num_rows
                if seen >= rows:
                    break
            done.wait()

    for _ in range(how_many):
        threading.Thread(target=follow, daemon=True).start()
    ready.wait()
    print("ready", flush=True)
    done.wait()
    print("done", flush=True)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))

"""ArcticDB reading the rows of an Arrow file that it was given, timed: `arctic.py FOLDER FILE`.

Says "ready", then answers each line with the seconds that one read took. A program of its own, so
that a Python can run it that has ArcticDB and nothing of ours.
"""

from __future__ import annotations

import gc
import sys
import time

import pyarrow as pa

try:
    import arcticdb
except ImportError:
    sys.exit("ArcticDB is not installed")


def main(folder: str, file: str) -> None:
    library = arcticdb.Arctic(f"lmdb://{folder}/arctic").create_library("bench")
    rows = pa.ipc.open_file(file).read_all().to_pandas().set_index("ts")
    library.write("history", rows)
    library.read("history")
    print("ready", flush=True)
    for _ in sys.stdin:
        gc.collect()
        start = time.perf_counter()
        found = library.read("history").data
        seconds = time.perf_counter() - start
        if len(found) != len(rows):
            sys.exit("ArcticDB did not read all rows")
        del found
        print(seconds, flush=True)


main(*sys.argv[1:])

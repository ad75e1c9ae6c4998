"""A contestant's own process: `python -m bench.peers.driver NAME FOLDER INPUTS`.

Reads one JSON object a line: `{"method": ..., "times": n, "save": path}` has a method called n
times, each timed, with the processor time that a call took here and in the servers; or, with
`save`, called once and what it returns written to an Arrow file. Answers each with one JSON object
a line.
"""

from __future__ import annotations

import gc
import json
import os
import sys
import time
import traceback
from pathlib import Path
from typing import Any

from bench.peers import answers, costs
from bench.peers.contestant import Contestant, Missing
from bench.peers.contestants import load


def main(name: str, folder: str, inputs: str) -> int:
    # What a library prints, or writes to the descriptor, must not come between the answers.
    out, sys.stdout = os.fdopen(os.dup(1), "w"), sys.stderr
    os.dup2(2, 1)
    try:
        contestant = load(name)
        contestant.folder, contestant.inputs = Path(folder), Path(inputs)
        contestant.open()
    except (ImportError, Missing) as error:
        print(json.dumps({"missing": str(error)}), file=out, flush=True)
        return 1
    try:
        print(json.dumps(_introduction(contestant)), file=out, flush=True)
        for line in sys.stdin:
            print(json.dumps(_answer(contestant, json.loads(line))), file=out, flush=True)
    finally:
        contestant.close()
    return 0


def _introduction(contestant: Contestant) -> dict[str, Any]:
    return {
        "title": contestant.title,
        "durable": contestant.durable,
        "offers": contestant.offers(),
        "processes": contestant.processes(),
    }


def _answer(contestant: Contestant, asked: dict[str, Any]) -> dict[str, Any]:
    method = getattr(contestant, asked["method"])
    arguments = asked.get("arguments", [])
    try:
        if asked.get("save"):
            answers.save(method(*arguments), Path(asked["save"]))
            return {"processes": contestant.processes()}
        return _timed(contestant, method, arguments, asked.get("times", 1))
    except Exception as error:  # noqa: BLE001  (whatever a store does wrong is its result)
        traceback.print_exc()
        return {"error": f"{type(error).__name__}: {error}"[:500]}


def _timed(contestant: Contestant, method: Any, arguments: list[Any], times: int) -> dict[str, Any]:
    seconds, number = [], None
    servers = contestant.processes()
    gc.collect()
    before = costs.processor_seconds(servers)
    for _ in range(times):
        start = time.perf_counter()
        result = method(*arguments)
        seconds.append(time.perf_counter() - start)
        number = result if isinstance(result, int) else None
        del result
    cpu = (costs.processor_seconds(servers) - before) / times
    processes = contestant.processes()
    return {"seconds": seconds, "cpu": [cpu], "number": number, "processes": processes}


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))

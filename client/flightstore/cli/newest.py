"""The newest rows: `flightstore latest`."""

from __future__ import annotations

from flightstore.cli import options, output
from flightstore.cli.values import plain_rows, with_instrument


def latest(
    instruments: options.Instruments,
    timeframe: options.Timeframe = "",
    dataset: options.Dataset = "candles",
    columns: options.Columns = None,
    snapshot: options.Snapshot = None,
    as_json: options.Json = False,
    uri: options.Uri = options.DEFAULT_URI,
    token: options.Token = None,
) -> None:
    """Print the newest row of each series.

    Of a bar `closed` says whether it is over: a later row, or the range that is known complete, has
    reached its end.

    Examples:
      flightstore latest 'binance:*/USDT' --timeframe 1m
      flightstore latest binance:BTC/USDT kraken:BTC/USD --dataset trades --columns price
    """
    options.need_timeframe(dataset, timeframe)
    with options.connect(uri, token) as db:
        table = db.latest(
            instruments, timeframe, dataset=dataset, columns=options.split_columns(columns),
            snapshot=snapshot, output="arrow",
        )  # fmt: skip
    rows = [with_instrument(row) for row in plain_rows(table)]
    if as_json:
        output.print_json(rows)
    elif rows:
        output.print_table(list(rows[0]), [list(row.values()) for row in rows])
    else:
        output.remark("These series have no rows.")

"""`flightstore ingest`: exchanges into the store.

    asked      what the words and options of a command line ask for, as a configuration
    session    the feeds of a configuration at work: owned, reported, stopped by a signal
    filling    backfill, repair
    following  run, live
    standing   status
    simulation simulate
    display    what people see meanwhile: `bars` at a terminal, `lines` elsewhere; `measures`
    logs       what machines read meanwhile
    options    what the commands share

ccxt is imported when an exchange is opened, and not before.
"""

from __future__ import annotations

import typer

from flightstore_ingest.cli.filling import backfill, repair
from flightstore_ingest.cli.following import live, run
from flightstore_ingest.cli.simulation import simulate
from flightstore_ingest.cli.standing import status

app = typer.Typer(help="Fill the store from exchanges, and keep it complete.")
for command in (backfill, repair, run, live, status, simulate):
    app.command(command.__name__)(command)

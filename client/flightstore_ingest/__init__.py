"""flightstore_ingest: the service that fills a store from exchanges and keeps it complete.

    source      what a source of market data is: the interface plug-ins implement
    errors      what can go wrong at a source, by what to do about it
    gate        no row enters the store unchecked
    sink        batches into the store, durable before anything counts as done
    keeper      one series: what is missing, fetched; what is live, followed
    service     all series of a configuration, until told to stop
    reporting   how each series fares, kept in the store beside its rows
    ownership   one process asks one exchange
    config      ingest.toml
    ccxt_source exchanges through ccxt
    replay      recorded files played as if they were live
    simulate    a simulated exchange, for demos and tests
    cli         flightstore ingest ...

It holds no state of its own: what to fetch is the configuration minus the coverage the store
knows, so that a restart resumes, an earlier start fetches only what is new, and a hole is repaired.
"""

from flightstore_ingest.source import Anchor, Found, Listing, Page, Series, Source

__all__ = ["Anchor", "Found", "Listing", "Page", "Series", "Source"]

"""The contract that client and server share: messages, schemas, words and errors.

    flightstore.proto   the messages, documented for clients in other languages
    schemas             Arrow schemas of candles, trades and the catalog
    instrument          exchange:SYMBOL, and patterns over it
    timeframe           1s 1m 5m 1h 1d 1w 1M
    timerange           what a user may say for a time, as nanoseconds
    errors              the error tree, with the code of each error on the wire

Imports protobuf and pyarrow only.
"""

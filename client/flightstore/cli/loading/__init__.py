"""Reading the files that `flightstore import` loads.

    files       what a file is (by its first bytes), and its bytes decompressed
    sources     a file as a stream of record batches, whatever its format
    csv_files   CSV: delimiter, header or none, types; never guessed from more than the first rows
    names       which column of the file is which of ours
    times       seconds, milliseconds, text with or without a zone: as timestamp[ns, UTC]
    sides       buy and sell in their many spellings
    rows        a chunk of the file as rows of the dataset
    sending     chunks to the server, coverage last

What cannot be guessed is asked for: a BadRequest names the columns found and the option that
settles it.
"""

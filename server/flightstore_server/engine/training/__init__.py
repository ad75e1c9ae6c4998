"""Windows of rows for training, found by their number.

stretches   what windows can be cut out of
row_index   the rows of a view, numbered
file_rows   the same where all of them are in files, and only once: without planning a read
windows     the windows that were asked for
"""

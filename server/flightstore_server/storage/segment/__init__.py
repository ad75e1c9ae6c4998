"""Segments: immutable Feather files of sorted rows.

segment   what the catalog knows of one
index     where its record batches lie, with their checksums
trailer   the same once more inside the file, for when the catalog is lost
writer    rows to a published file
store     mapped, verified, decoded batches of a file; one cache for the process
"""

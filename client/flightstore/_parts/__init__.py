"""A read cut into parts that any process can hold, send and read.

held    what there is of each series
cuts    where to cut
part    one of them
shared  the connection of a process that reads them
"""

"""What calls may cost: who may come in, and what is seen of those that no handler has met yet.

edge         the limits themselves
admission    asked by every handler before it begins
gathering    rows that were sent and not committed
arrivals, connections, guard
             messages that gRPC is still putting together
usage        what is used of each limit, for status and metrics
"""

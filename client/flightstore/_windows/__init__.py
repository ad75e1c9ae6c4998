"""Windows of a fixed number of rows, drawn out of many series: index arithmetic, then slices.

order      which window comes when: a permutation that is computed, not stored
places     which rows of which series a window is
streamed   its values over the wire
"""

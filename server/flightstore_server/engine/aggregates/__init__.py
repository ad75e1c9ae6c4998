"""Derived series: bars that follow from other rows, and are kept as these change."""

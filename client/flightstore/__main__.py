"""`python -m flightstore` is the `flightstore` command."""

import sys

from flightstore.cli import main

if __name__ == "__main__":
    sys.exit(main())

"""The speed of flightstore, as ratios of two things measured in one run. See README.md."""

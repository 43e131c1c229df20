"""A past for `make ui`: 30 days of runs of the real engine against the simulated vendors, all clocks set back."""

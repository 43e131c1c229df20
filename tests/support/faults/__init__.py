"""Source and destination pairs, workers and storage faults for the fault tests."""

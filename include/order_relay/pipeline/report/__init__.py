"""The report at the end of a run, and the table of what states and reason codes mean."""

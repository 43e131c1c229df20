"""The report at the end of a run, and the advice table: what states and reason codes mean to operators."""

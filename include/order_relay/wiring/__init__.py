"""The composition root: from the name of a pipeline or status account to its vendors, ledger, store and settings."""

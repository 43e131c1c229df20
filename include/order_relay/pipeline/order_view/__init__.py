"""One order as operators see it, from ledger and archive."""

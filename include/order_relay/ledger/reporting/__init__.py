"""Reading the ledger as a whole: accounting, queries, health, reconciliation, and retention."""

"""The tables, the states with their table of transitions, and the records that the ledger takes and returns."""

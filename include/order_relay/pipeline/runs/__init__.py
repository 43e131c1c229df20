"""Around the stages of a run: its start, what it fetches, login protection, dry runs and recorded failures."""

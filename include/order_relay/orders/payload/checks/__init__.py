"""The last check of a finished payload, independent of what filled it."""

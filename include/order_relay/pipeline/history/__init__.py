"""The history import: orders of the past, slice by slice."""

"""A plain web shop."""

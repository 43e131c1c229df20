"""A plain shipping service."""

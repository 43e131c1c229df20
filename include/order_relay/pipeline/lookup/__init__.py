"""Searches at the destination: orders in doubt, the preflight check and reconciliation."""

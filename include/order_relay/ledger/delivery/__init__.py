"""Sending: claims, attempts, outcomes, and lookups of orders in doubt."""

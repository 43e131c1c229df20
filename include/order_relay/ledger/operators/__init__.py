"""Operators' decisions about held orders and orders in doubt, one by one or in bulk."""

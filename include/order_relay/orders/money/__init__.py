"""Exact amounts in minor units, and their allocation to lines and units."""

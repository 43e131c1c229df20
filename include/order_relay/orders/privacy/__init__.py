"""Removal of card data before the first write, and its traces in a document."""

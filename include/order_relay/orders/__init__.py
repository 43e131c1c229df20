"""The domain, pure: who an order is, which version counts, what it is worth, and what it looks like at the far side."""

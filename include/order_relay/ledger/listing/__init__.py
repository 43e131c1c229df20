"""The list of orders: filters, search and pages that are found in bounded time."""

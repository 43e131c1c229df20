"""Shipments and status events of fulfilment services, read from JSON records and CSV files."""

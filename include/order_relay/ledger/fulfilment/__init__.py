"""What happens after the import: shipments, status events, and the order feed."""

"""What happens to orders after the import: shipments, statuses and write-back to the source."""

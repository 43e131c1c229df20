"""What a source is told about its orders: acknowledgements, feedback steps, offline marks, and its cancellations."""

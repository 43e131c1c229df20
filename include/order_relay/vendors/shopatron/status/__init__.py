"""What became of orders at the OMS."""

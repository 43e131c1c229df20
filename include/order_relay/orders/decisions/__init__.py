"""What happens to redelivered orders and to several versions of one order."""

"""aCommerce, simulated: the status of orders, with corrections and deletions."""

"""aCommerce, simulated: order statuses, with corrections and deletions."""

"""SuperCat, simulated: order pull, acknowledgement, single-order download, and a generator of orders."""

"""HTTP towards vendors: clients, bounded and strict responses, tokens, throttling, safe sending. Knows no vendor."""

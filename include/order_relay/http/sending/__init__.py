"""The safety of sending: what was written, what is in doubt, and what a response means."""

"""Fault trials: each function runs in a forked process of its own and returns what it found."""

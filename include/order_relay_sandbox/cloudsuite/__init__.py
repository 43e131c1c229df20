"""CloudSuite, simulated: orders of several web shops, write-backs, delivery messages and a generator."""

"""CloudSuite, simulated: orders of several web shops, their states and feedback, delivery messages, and a generator."""

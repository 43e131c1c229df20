"""CloudSuite, a web shop platform: the source of confirmed orders."""

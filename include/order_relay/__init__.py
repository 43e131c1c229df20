"""Order Relay moves orders from where they are taken to where they are fulfilled, each exactly once."""

__version__ = "0.1.0"

COMMAND = "order-relay"
"""Name of the command line, as messages to operators quote it."""

"""Order Relay: orders go from where they are taken to where they are fulfilled, once each."""

__version__ = "0.1.0"

"""Stand-ins of two plain vendors, found like those of a deployment: by ``ORDER_RELAY_VENDORS``."""

"""The stages, one module each, and the ports that a vendor can fulfil."""

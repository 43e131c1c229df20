"""Reading from a vendor: requests with limits, and what a failure means."""

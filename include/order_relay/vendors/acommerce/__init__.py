"""aCommerce: the status of orders, by polling, webhooks and CSV files."""

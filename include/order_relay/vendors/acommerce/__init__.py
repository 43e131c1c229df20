"""aCommerce: what became of orders, by polling, webhooks and CSV files."""

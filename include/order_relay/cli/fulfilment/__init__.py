"""Commands about shipments, statuses, webhooks and write-back to the source."""

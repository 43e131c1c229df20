"""Sample Shop, a source and an idempotent destination."""

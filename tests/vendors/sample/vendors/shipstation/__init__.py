"""The shape of ShipStation's API, an idempotent destination."""

"""The load stage: send ready orders with bounded concurrency, group commit and a circuit breaker."""

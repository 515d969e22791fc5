"""What clients rely on when they repeat a request under the same idempotency key."""

"""Requests that a client may repeat: the header `Idempotency-Key`, the answers that are kept, and for how long."""

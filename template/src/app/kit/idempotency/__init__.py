"""Requests that can be repeated without being carried out twice, by the header `Idempotency-Key`."""

"""The service's tests. `kit` holds what they share."""

"""What every endpoint shares: request ids, logs, metrics, problem responses, retries, health, and field types."""

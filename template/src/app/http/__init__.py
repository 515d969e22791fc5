"""What every endpoint shares: request ids, logs, metrics, problem responses, health, and field types."""

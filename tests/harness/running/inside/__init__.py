"""What is run by a service's own interpreter, in the service's folder, and knows nothing of the rest of the harness."""

"""Request throughput of generated services, beside peers and the limit that the driver sets."""

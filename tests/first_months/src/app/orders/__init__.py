"""Orders: what customers have asked for."""

"""Heroes: the example of a domain with every pattern at work."""

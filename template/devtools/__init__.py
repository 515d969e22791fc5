"""What the developer's machine needs to run the service. None of it is shipped."""

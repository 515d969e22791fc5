"""`poe seed` fills whatever a service has with rows that its database takes."""

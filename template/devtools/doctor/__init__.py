"""Finds out what is wrong with the service on this machine and with its database: `poe doctor`."""

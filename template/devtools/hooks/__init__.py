"""Checks that keep work from getting lost when Copier updates the service: plain scripts, each complete in itself."""

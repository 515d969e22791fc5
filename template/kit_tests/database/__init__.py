"""Tests of `app.kit.database`."""

"""Tests of `app.kit.migrations`."""

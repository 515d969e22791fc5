"""Tests of `app.kit.http`."""

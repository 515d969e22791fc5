"""Tests of `poe doctor`: each check, on what is broken in its way."""

"""The tests of `app.kit`, on an application of their own: `uv run poe test-kit`. `support` serves your tests too."""

"""The service. Start reading at `app.main`."""

"""The service. Start reading at `app.main`; what `app.kit` holds is maintained for you."""

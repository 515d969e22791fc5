"""The application that servers and tools load, with the settings of the environment: `uvicorn app.asgi:app`."""

from app.main import create_app
from app.settings import load_settings

app = create_app(load_settings())

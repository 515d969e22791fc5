"""Builds the application from its settings, routers and resources."""

from fastapi import FastAPI

from app.kit.application import build_application
from app.resources import open_resources
from app.routers import ROUTERS
from app.settings import Settings


def create_app(settings: Settings) -> FastAPI:
    """Build the application. Nothing connects before its lifespan starts."""
    return build_application(settings, routers=ROUTERS, resources=open_resources)

"""The releases of the generators."""

S3RIUS = "fastapi_template==6.1.2"
S3RIUS_FASTAPI = "fastapi==0.136.3"
"""Newer ones, which the generated project allows, do not work with the instrumentator for Prometheus that it allows."""

FULLSTACK = "fastapi-fullstack==0.2.21"

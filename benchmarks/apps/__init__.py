"""Hand-written services with the same API as the example of the template.

They run in the environment of a generated service, so every library has the version that the service has.
"""

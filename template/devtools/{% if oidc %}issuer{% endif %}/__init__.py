"""An OpenID Connect issuer for development and tests: whoever asks it for a token gets one."""

"""Who calls: the tokens of an OpenID Connect issuer, and what their bearers may do."""

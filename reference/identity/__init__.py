"""A small OpenID Connect issuer: its discovery document and its public key, over HTTP."""

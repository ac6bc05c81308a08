"""Who asks: each file one way to tell. See `contracts.Authenticator`."""

"""similarities."""

"""LanceDB as a store."""

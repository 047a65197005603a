"""Chroma as a store."""

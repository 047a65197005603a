"""Mergeable statistics of a store: everything global that a measure needs."""

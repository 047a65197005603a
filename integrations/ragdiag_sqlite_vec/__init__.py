"""sqlite-vec as a store."""

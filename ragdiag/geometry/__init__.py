"""Measures of vectors: pure functions from statistics to `Measure` values, one concept a file."""

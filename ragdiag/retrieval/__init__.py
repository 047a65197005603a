"""Labelled retrieval: judgements, query vectors, scores and their statistics."""

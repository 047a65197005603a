"""Rules: from evidence to findings."""

"""What changed between two audits, and what of it is more than chance."""

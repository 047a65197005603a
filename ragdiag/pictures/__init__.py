"""What the figures of a report show: small frozen values, computed from what the audit has read."""

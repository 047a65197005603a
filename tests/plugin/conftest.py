"""The plug-in's own tests are run where it is installed."""

collect_ignore = ["ragdiag-jsonl"]

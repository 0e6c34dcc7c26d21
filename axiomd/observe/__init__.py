"""What a daemon tells of itself while it runs: log lines and metric series, both read off the journal's events.

It decides nothing and touches nothing that decides. The map from event kind to series stands in `metrics.py`, the shape
of a line in `log_schema.json`.
"""

"""What a person types: one module a command, each with ``configure`` and ``run``, found by the table in main.py."""

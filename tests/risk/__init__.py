"""Every guard put through simulated scenarios, with a table of what was tried: `python -m tests.risk`."""

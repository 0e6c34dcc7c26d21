"""The process: what drives the engine through a live day, and what surrounds it.

The engine decides; here are the tasks that feed it, carry out what it asks, and let operators and machines look on.
"""

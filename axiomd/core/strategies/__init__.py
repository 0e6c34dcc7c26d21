"""Strategies: the plug-in API, Stage 1, and what ships."""

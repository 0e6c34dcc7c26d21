"""The operator console; it attaches to a daemon over its socket and knows nothing else of it."""

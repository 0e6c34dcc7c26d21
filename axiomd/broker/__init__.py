"""Commands out to a broker, reports back: the port, and one module a broker behind it."""

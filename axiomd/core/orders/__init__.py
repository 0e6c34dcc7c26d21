"""The life of an order: what states it may be in, how a signal becomes a group of brackets, what works where."""

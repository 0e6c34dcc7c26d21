"""Drivers of the engine without a market: the virtual clock over recorded bars, the journal, the narrow API."""

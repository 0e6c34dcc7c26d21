"""A second reading of the rules, slow and plain, that shares no line with the first."""

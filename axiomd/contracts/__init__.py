"""What passes between the rooms: records, names and errors that the outside can rely on.

Modules here say what a thing is and which rules hold between its fields. They never touch the world and never import
polars, numba, numpy or pandas, so that the kill command and the console load in no time.
"""

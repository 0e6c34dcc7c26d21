"""Simulation testing (05): the real engine, journal, recovery and desk under one seed, with faults."""

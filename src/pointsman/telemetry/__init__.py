"""Samples to counters, health, history and events, in a database of their own."""

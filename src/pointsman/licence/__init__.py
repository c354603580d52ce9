"""Licences in our own open format: signed keys that say how much an instance may do."""

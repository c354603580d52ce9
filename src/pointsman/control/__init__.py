"""Use cases of a running traffic manager; see `control.control.Control`."""

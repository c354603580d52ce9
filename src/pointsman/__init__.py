"""Pointsman: an open virtual traffic manager."""

__version__ = "0.2.0"
"""The version in `pyproject.toml`. It stands here as well because to ask for what is installed would be half of a
command's start."""

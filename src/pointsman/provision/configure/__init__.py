"""The configure script: asks what must be known before the software can start, and does it."""

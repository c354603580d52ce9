"""Configuration backups: the archive's format, and the directory that an instance keeps them in."""

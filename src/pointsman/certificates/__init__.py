"""Certificates as people handle them: what one says, whether a chain holds, how uploads are read, how one is made."""

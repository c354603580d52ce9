"""Traffic IP groups as keepalived's configuration: who prefers which address, and how members tell who lives.

Invariant: nothing reaches the text but addresses, numbers, names of interfaces and identifiers made here.
"""

"""Members of a cluster: who they are, how they trust one another, and how the configuration reaches all of them."""

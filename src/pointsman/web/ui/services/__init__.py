"""The pages about services: the service map, live panels of objects, why a node is down, draining nodes, and acts."""

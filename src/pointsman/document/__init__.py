"""Configuration documents: YAML or JSON files that describe objects, with positions for every fault; and
their export.
"""

"""Causal-JEPA: a world model of objects that act on each other."""

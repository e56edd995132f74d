"""Compact, verified sets of scenarios: few episodes that cover much, checked before they teach."""

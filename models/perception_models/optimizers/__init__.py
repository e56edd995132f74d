"""Optimizers for the matrices inside transformer blocks, and what builds them by name."""

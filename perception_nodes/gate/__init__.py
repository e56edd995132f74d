"""Spends computing where something happens: whether an image is worth looking for objects in."""

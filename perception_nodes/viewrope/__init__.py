"""Slots: the objects that one frame shows."""

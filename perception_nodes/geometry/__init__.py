"""Cameras, poses, transforms over time, synchronization."""

"""Keypoints of people in color images: a small network trained on rendered bodies."""

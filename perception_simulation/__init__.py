"""MuJoCo worlds with exact truth."""

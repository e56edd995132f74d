"""What was seen, kept for days."""

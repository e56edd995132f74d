"""The slot encoder: attention that knows where tokens are, objects as slots."""

"""Looks at cameras, transforms and memories, and says what is wrong and what to do."""

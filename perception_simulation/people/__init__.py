"""People who move, and cameras that film them: joints with exact truth."""

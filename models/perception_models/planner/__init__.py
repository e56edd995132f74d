"""The planner's round of sampling as one network."""

"""A live view for people without a ROS desktop: a page in the browser that follows a run."""

PORT = 8765
"""Of the page, on this computer."""

"""The ROS side: interfaces, conversion, managed nodes."""

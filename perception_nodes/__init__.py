"""Object permanence for robots: what runs on the robot."""

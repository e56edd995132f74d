"""People in the world frame from keypoints and depth in one, two or more moving cameras."""

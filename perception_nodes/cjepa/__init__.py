"""Object states and, once learned, how they move: the node around `perception_nodes.objects`."""

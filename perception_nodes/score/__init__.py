"""What truth says about object states: detection, identity, position, visibility, honesty."""

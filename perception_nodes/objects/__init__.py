"""Association, identity, visibility: the only owner of object states."""

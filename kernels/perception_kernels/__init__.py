"""Array-in, array-out primitives shared by training and run time."""

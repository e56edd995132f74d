"""Plans that bring objects to goals: a physics prior, sampling, and checks before anything moves."""

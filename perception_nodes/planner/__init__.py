"""Plans that bring objects to goals: a physics prior, sampling, checks before anything moves."""

"""Training: the loop, what surrounds it, and the life of a run."""

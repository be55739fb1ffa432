"""Training: loop, optimiser, checkpoint, metrics."""

"""Experiments: train one model, run a grid, measure cost. Run them from the repository root."""

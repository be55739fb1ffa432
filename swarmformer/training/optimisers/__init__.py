"""Optimisers: one file each, registered by name."""

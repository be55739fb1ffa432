"""Augmentations: one file each, registered by name."""

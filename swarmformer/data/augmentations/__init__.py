"""Augmentations of texts, applied once to the training split: one file each, registered by name."""

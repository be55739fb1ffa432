"""Stages: one file each, registered by name."""

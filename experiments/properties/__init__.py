"""Properties of the published models that claims are decided by, and that no run folder has."""

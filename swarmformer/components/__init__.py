"""Components by slot: one folder a slot, one file a component."""

"""What learned routers are made of: which clusters a token may meet, assignments, losses, telemetry."""

"""What a model costs: parameters, FLOPs, latency, and the machine's ceilings."""

"""What a model costs: parameters, FLOPs, latency, memory, and the machine's limits."""

"""Models: SwarmFormer, assembled from slots, and the peers it is compared with."""

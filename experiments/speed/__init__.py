"""How fast the fast paths are: every figure's arms, checked for agreement before they are timed."""

"""A static page of everything that was measured: see ``swarmformer page --help``."""

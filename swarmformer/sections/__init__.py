"""The sections of a specification, a file each; ``swarmformer.spec`` has all of them."""

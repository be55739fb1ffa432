"""Components of the ``pooling`` slot; the contract is in ``swarmformer.contracts``."""

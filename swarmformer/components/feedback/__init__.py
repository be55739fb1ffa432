"""Components of the ``feedback`` slot; the contract is in ``swarmformer.contracts``."""

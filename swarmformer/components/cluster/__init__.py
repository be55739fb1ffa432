"""Components of the ``cluster`` slot; the contract is in ``swarmformer.contracts``."""

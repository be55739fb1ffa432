"""Components of the ``pyramid`` slot; the contract is in ``swarmformer.contracts``."""

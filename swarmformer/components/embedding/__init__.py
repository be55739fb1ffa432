"""Components of the ``embedding`` slot; the contract is in ``swarmformer.contracts``."""

"""Components of the ``router`` slot; the contract is in ``swarmformer.contracts``."""

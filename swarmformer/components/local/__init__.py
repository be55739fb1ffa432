"""Components of the ``local`` slot; the contract is in ``swarmformer.contracts``."""

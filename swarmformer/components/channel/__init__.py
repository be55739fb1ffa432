"""Components of the ``channel`` slot; the contract is in ``swarmformer.contracts``."""

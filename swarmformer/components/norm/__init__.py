"""Components of the ``norm`` slot; the contract is in ``swarmformer.contracts``."""

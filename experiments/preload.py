"""What every cell imports, for ``experiments.forks``: a small model trains for seconds, and this takes seconds too.

scikit-learn is for the metrics of a validation; torch._dynamo is imported by every optimiser of torch.
"""

# ruff: noqa: F401 - imported for its own sake
import sklearn.metrics
import torch._dynamo

from swarmformer import registry

from . import progress, runner, store, supervised

registry.load_builtins()

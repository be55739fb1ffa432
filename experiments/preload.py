"""What every cell imports, for ``experiments.forks``: a small model trains for seconds, and this takes seconds too.

scikit-learn is for the metrics of a validation; torch._dynamo is imported by every optimiser of torch.
"""

# ruff: noqa: F401 - imported for its own sake
import sklearn.metrics
import torch._dynamo

import experiments.progress
import experiments.runner
import experiments.store
import experiments.supervised
from swarmformer import registry

registry.load_builtins()

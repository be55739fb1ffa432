"""What the fork server imports for every cell: a small model trains for seconds, and this takes seconds too.

scikit-learn is for the metrics of a validation; torch._dynamo is imported by every optimiser of torch.
"""

# ruff: noqa: F401 - imported for its own sake
import gc

import sklearn.metrics
import torch._dynamo

from swarmformer import registry
from swarmformer.code import library_hash

from .. import worker
from . import scheduler

registry.load_builtins()
library_hash()
gc.collect()
gc.freeze()  # keeps the forks' collectors from touching, and so copying, shared pages

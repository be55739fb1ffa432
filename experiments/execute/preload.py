"""What the fork server imports for every cell: a small model trains for seconds, and this takes seconds too.

scikit-learn is for the metrics of a validation; torch._dynamo is imported by every optimiser of torch. What counts as
the code of a cell is read here too: the cells run what is imported here, whatever becomes of the files meanwhile.
"""

# ruff: noqa: F401 - imported for its own sake
import gc

import sklearn.metrics
import torch._dynamo

from swarmformer import registry
from swarmformer.code import hash_once, library_hash
from swarmformer.environment import code_revision

from .. import worker
from ..runner import RESULT_SOURCES
from . import scheduler

registry.load_builtins()
library_hash()
hash_once(RESULT_SOURCES)
code_revision()
gc.collect()
gc.freeze()  # keeps the forks' collectors from touching, and so copying, shared pages

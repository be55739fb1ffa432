"""What the fork server imports for every cell: a small model trains for seconds, and this takes seconds too.

scikit-learn is for the metrics of a validation; torch._dynamo is imported by every optimiser of torch. What counts as
the code of a cell is read here too: the cells run what is imported here, whatever becomes of the files meanwhile.
"""

import gc

import sklearn.metrics  # noqa: F401 - a validation imports it
import torch._dynamo  # noqa: F401 - every optimiser of torch imports it

from swarmformer import registry
from swarmformer.code import hash_once, library_hash
from swarmformer.environment import code_revision

from .. import worker  # noqa: F401 - what a fork runs
from ..starts import RESULT_SOURCES
from . import scheduler  # noqa: F401 - imports what else a fork runs: costs, floors

registry.load_builtins()
library_hash()
hash_once(RESULT_SOURCES)
code_revision()
gc.collect()
gc.freeze()  # keeps the forks' collectors from touching, and so copying, shared pages

"""What the fork server of the tests imports: all that our commands do."""

# ruff: noqa: F401 - imported for its own sake
import gc

import experiments.costs
import experiments.execute.preload
import experiments.grid
import experiments.train
import reports.build
import swarmformer.cli.check
import swarmformer.cli.components
import swarmformer.cli.show
import swarmformer.cli.variants
import swarmformer.pipeline

gc.collect()
gc.freeze()

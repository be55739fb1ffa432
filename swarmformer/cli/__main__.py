"""``python -m swarmformer.cli``."""

import sys

from swarmformer.cli import main

sys.exit(main())

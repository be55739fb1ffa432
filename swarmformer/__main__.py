"""``python -m swarmformer COMMAND``: as ``swarmformer COMMAND``, where that is not on the path."""

import sys

from swarmformer.cli import main

if __name__ == "__main__":
    sys.exit(main())

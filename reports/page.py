"""``python -m reports.page RUNS… --out DIR``: run folders → a page; see ``reports.site``."""

import sys

from .site.__main__ import main

if __name__ == "__main__":
    sys.exit(main())

"""A static page of everything that was measured: see ``python -m reports.page --help``."""

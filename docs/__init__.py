"""Pages about the components, and ``generate.py``, which writes the parts of them that can be generated."""

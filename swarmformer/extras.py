"""Optional dependencies: an extra names them, and the error for one that is missing names the extra."""

from __future__ import annotations

import importlib

from swarmformer.errors import SpecError


def require(extra: str, *modules: str) -> None:
    """Import what an extra installs.

    Raises:
        SpecError: a module is missing.
    """
    for module in modules:
        try:
            importlib.import_module(module)
        except ImportError as error:
            raise SpecError(f"this needs {module} ({error}): pip install 'swarmformer[{extra}]'") from None

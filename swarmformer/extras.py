"""Imports on demand: what an extra installs, and what a path names; a fault tells what to do. Without torch."""

from __future__ import annotations

import importlib
from importlib.machinery import PathFinder
from typing import Any

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


def can_be_imported(module: str) -> bool:
    """Whether ``package.module`` is found where Python would look for it. Nothing is imported, no package either."""
    places, above = None, ""
    for name in module.split("."):
        above = f"{above}.{name}" if above else name
        found = PathFinder.find_spec(above, places)
        if found is None:
            return False
        places = found.submodule_search_locations or []
    return True


def imported(path: str) -> Any:
    """What ``package.module:name`` names. Importing a module runs it: this is asked for, or not done at all.

    Raises:
        SpecError: it cannot be imported, in whatever way it fails.
    """
    module, _, name = path.partition(":")
    try:
        return getattr(importlib.import_module(module), name)
    except SystemExit as end:  # nothing was done, so that this is no success whatever its status
        raise SpecError(f"module {module!r} ends the program when it is imported (sys.exit({end.code!r}))") from None
    except Exception as error:
        as_file = module.endswith(".py") and f"; a module has no ending: write {module.removesuffix('.py')}:{name}"
        raise SpecError(f"{type(error).__name__}: {error}{as_file or ''}") from error

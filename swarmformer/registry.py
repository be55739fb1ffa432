"""Names → components. Built-ins, plug-ins by entry point, and ``package.module:Class``.

A component registers itself::

    @register("router", "learned")
    class LearnedRouter(Router):
        def __init__(self, dims: Dims, *, heads: int = 4) -> None: ...

A plug-in package declares ``[project.entry-points."swarmformer.components"]`` with entries named
``slot.name``; they are imported only when asked for. Built-ins load first and cannot be shadowed.
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import TypeVar

from swarmformer import contracts
from swarmformer.data.task import Task
from swarmformer.errors import ComponentError, SpecError, suggest
from swarmformer.extras import imported
from swarmformer.schema import Option, options_of

GROUP = "swarmformer.components"
BUILTIN_PACKAGES = (
    "swarmformer.components",
    "swarmformer.models",
    "swarmformer.data.tasks",
    "swarmformer.data.augmentations",
    "swarmformer.training.objectives",
    "swarmformer.training.optimisers",
    "swarmformer.training.augmentations",
    "swarmformer.training.stages",
)

SLOTS: dict[str, type] = {
    "embedding": contracts.Embedding,
    "local": contracts.Local,
    "router": contracts.Router,
    "cluster": contracts.Cluster,
    "feedback": contracts.Feedback,
    "norm": contracts.Norm,
    "pyramid": contracts.Pyramid,
    "pooling": contracts.Pooling,
    "channel": contracts.Channel,
    "model": contracts.Model,
    "task": Task,
    "text_augmentation": contracts.TextAugmentation,
    "objective": contracts.Objective,
    "optimiser": contracts.Optimiser,
    "augmentation": contracts.Augmentation,
    "stage": contracts.Stage,
}
WITHOUT_DIMS = ("task", "text_augmentation", "optimiser", "stage")
"""Slots whose constructor takes options alone."""


@dataclass
class Entry:
    """One registered name: what it is, where it comes from, and its fault if it has one."""

    slot: str
    name: str
    origin: str
    load: Callable[[], type] = field(repr=False)

    @property
    def fault(self) -> str | None:
        """Why this component cannot be used, or None. Imports it."""
        try:
            self.load()
        except Exception as error:  # a plug-in may fail in any way; it is reported, not hidden
            return f"{type(error).__name__}: {error}"
        return None

    @property
    def summary(self) -> str:
        """First line of the docstring. Imports the component; raises where ``fault`` is not None."""
        return summary_of(self.load())

    @property
    def options(self) -> list[Option]:
        """Its options with types and defaults. Imports it; raises where ``fault`` is not None."""
        return options_of(self.load(), leading_of(self.slot, self.load()))


_entries: dict[tuple[str, str], Entry] = {}
T = TypeVar("T", bound=type)


def summary_of(cls: type) -> str:
    """First line of a component's docstring."""
    return (inspect.getdoc(cls) or "").split("\n", 1)[0]


def leading_of(slot: str, cls: type) -> tuple[str, ...]:
    """Positional constructor parameters: what the builder passes before the options."""
    if slot in WITHOUT_DIMS:
        return ()
    return ("dims", "parts") if getattr(cls, "slots", ()) else ("dims",)


def register(slot: str, name: str) -> Callable[[T], T]:
    """Class decorator: make a class available as ``name`` in ``slot``.

    Raises:
        ComponentError: unknown slot, wrong base class, a constructor that is not a schema, or a
            name already taken (both origins are named).
    """

    def decorate(cls: T) -> T:
        if not cls.__module__.startswith("swarmformer."):
            load_builtins()
        check_class(cls, slot)
        origin = f"{cls.__module__}:{cls.__qualname__}"
        taken = _entries.get((slot, name))
        if taken is not None and taken.origin != origin:
            raise ComponentError(
                f"{slot}.{name} is registered twice: by {taken.origin} and by {origin}. Choose another name."
            )
        cls.slot, cls.registered_name = slot, name  # type: ignore[attr-defined]
        _entries[slot, name] = Entry(slot, name, origin, load=lambda: cls)
        return cls

    return decorate


def check_class(cls: type, slot: str) -> None:
    """Raise ComponentError unless ``cls`` can fill ``slot``."""
    base = interface(slot)
    if not (isinstance(cls, type) and issubclass(cls, base)):
        raise ComponentError(f"{cls!r} cannot fill slot {slot!r}: it must subclass {base.__module__}.{base.__name__}")
    if inspect.isabstract(cls):
        missing = ", ".join(sorted(getattr(cls, "__abstractmethods__", ())))
        raise ComponentError(f"{cls.__module__}.{cls.__qualname__} does not implement {missing}")
    options_of(cls, leading_of(slot, cls))


def interface(slot: str) -> type:
    """The abstract class of a slot."""
    if slot not in SLOTS:
        raise ComponentError(f"unknown slot {slot!r}.{suggest(slot, SLOTS)} Slots: {', '.join(SLOTS)}")
    return SLOTS[slot]


def slot_of(cls: type) -> str:
    """The slot that a class can fill, by its base class.

    Raises:
        ComponentError: it subclasses the interface of no slot.
    """
    for slot, base in SLOTS.items():
        if isinstance(cls, type) and issubclass(cls, base):
            return slot
    bases = ", ".join(f"{base.__module__}.{base.__name__}" for base in SLOTS.values())
    raise ComponentError(f"{cls!r} fills no slot: it must subclass one of {bases}")


@cache
def load_builtins() -> None:
    """Import every module of the built-in packages once."""
    for package_name in BUILTIN_PACKAGES:
        package = importlib.import_module(package_name)
        for module in pkgutil.walk_packages(package.__path__, package_name + "."):
            importlib.import_module(module.name)


@dataclass
class PlugIn(Entry):
    """A component declared by an installed package; ``target`` is its ``module:Class``."""

    target: str

    def is_registered(self) -> bool:
        """Whether the class calls @register itself and has been imported. Imports nothing."""
        module, _, attribute = self.target.partition(":")
        entry = _entries.get((self.slot, self.name))
        return entry is not None and entry.load() is getattr(sys.modules.get(module), attribute, None)


def _plugin(point: EntryPoint) -> PlugIn:
    slot, _, name = point.name.partition(".")
    origin = f"{point.dist.name} {point.dist.version} ({point.value})" if point.dist else point.value

    def load() -> type:
        rivals = [p.origin for p in _plugins() if (p.slot, p.name) == (slot, name) and p.origin != origin]
        cls = None if rivals else point.load()
        taken = _entries.get((slot, name))
        if taken is not None and taken.load() is not cls:
            rivals.append(taken.origin)
        if cls is None or rivals:
            raise ComponentError(f"{slot}.{name} of {origin} is also the name of {', '.join(rivals)}")
        check_class(cls, slot)
        cls.slot, cls.registered_name = slot, name
        return cls

    return PlugIn(slot, name, origin, load, point.value)


@cache
def _plugins() -> tuple[PlugIn, ...]:
    return tuple(_plugin(point) for point in entry_points(group=GROUP))


def list_components(slot: str | None = None) -> list[Entry]:
    """All known components, or those of one slot, built-ins first.

    Broken plug-ins are listed too: see ``Entry.fault``.

    Raises:
        ComponentError: unknown slot.
    """
    if slot is not None:
        interface(slot)
    load_builtins()
    registered = [_entries[key] for key in sorted(_entries, key=lambda key: (list(SLOTS).index(key[0]), key[1]))]
    extra = [plugin for plugin in _plugins() if not plugin.is_registered()]
    return [entry for entry in (*registered, *extra) if slot in (None, entry.slot)]


def get(slot: str, name: str, place: str = "") -> type:
    """The class behind ``name`` in ``slot``.

    Args:
        name: a registered name or ``package.module:Class``.
        place: words for the error, saying where the name was written.

    Raises:
        SpecError: unknown name, or one that cannot be loaded; says what is available.
    """
    if ":" in name:
        return _from_path(slot, name, place)
    load_builtins()
    if (slot, name) in _entries:
        return _entries[slot, name].load()
    entries = list_components(slot)
    for entry in entries:
        if entry.name == name:
            try:
                return entry.load()
            except (Exception, SystemExit) as error:  # a plug-in may fail in any way
                raise SpecError(f"{place}{slot}.{name} from {entry.origin} cannot be used: {error}") from error
    names = [entry.name for entry in entries]
    raise SpecError(
        f"{place}unknown {slot} {name!r}.{_of_other_slots(name)}{suggest(name, names)} Available: {', '.join(names)}. "
        "To use your own: name it as module:Class, such as mine:NoMask, the class NoMask of mine.py in the current "
        f"folder; or, in a package, declare the entry point '{slot}.{name}' in group {GROUP!r}; or, in a script alone, "
        f"decorate it with @swarmformer.register({slot!r}, {name!r}) and import it first."
    )


def slots_with(name: str) -> list[str]:
    """The slots that have a component of this name."""
    return list(dict.fromkeys(entry.slot for entry in list_components() if entry.name == name))


def _of_other_slots(name: str) -> str:
    slots = slots_with(name)
    return f" {name!r} is a component of {' and '.join(slots)}." if slots else ""


def shortest_name(slot: str, name: str) -> str:
    """The registered name of what ``package.module:Class`` names, where it has one; else ``name`` itself.

    Raises:
        SpecError: as ``get``.
    """
    if ":" not in name:
        return name
    cls = get(slot, name)
    paths = {name, f"{cls.__module__}:{cls.__qualname__}"}
    entries = list_components(slot)
    return next((entry.name for entry in entries if paths & {entry.origin, getattr(entry, "target", "")}), name)


def _from_path(slot: str, path: str, place: str) -> type:
    try:
        cls: type = imported(path)
        check_class(cls, slot)
    except (SpecError, ComponentError) as error:
        raise SpecError(f"{place}{slot} {path!r} cannot be used: {error}") from error
    return cls

"""Names, duplicates, constructors as schemas, and plug-ins, sound and broken."""

from __future__ import annotations

import importlib
import re
import sys
import textwrap
from pathlib import Path

import pytest
from torch import Tensor

import swarmformer
from swarmformer import registry
from swarmformer.contracts import Dims, Norm
from swarmformer.errors import ComponentError, SpecError
from swarmformer.variants import load_variant

pytestmark = pytest.mark.usefixtures("own_registry")


class Halve(Norm):
    """x / 2."""

    def __init__(self, dims: Dims, *, times: int = 1) -> None:
        super().__init__()

    def forward(self, x: Tensor) -> Tensor:
        return x / 2


class Twin(Halve):
    """Another class."""


def test_a_registered_component_is_found_listed_and_built() -> None:
    assert registry.register("norm", "halve")(Halve) is Halve
    assert registry.get("norm", "halve") is Halve
    entry = next(e for e in swarmformer.list_components("norm") if e.name == "halve")
    assert (entry.summary, entry.fault, [str(o) for o in entry.options]) == ("x / 2.", None, ["times: int = 1"])
    assert swarmformer.build_model("base", norm="halve").spec.slots["norm"].options == {"times": 1}


def test_a_name_taken_twice_is_refused_and_both_origins_named() -> None:
    registry.register("norm", "halve")(Halve)
    registry.register("norm", "halve")(Halve)  # the same class again, as when a module is reloaded
    with pytest.raises(ComponentError, match=r"norm\.halve is registered twice.*:Halve.*:Twin"):
        registry.register("norm", "halve")(Twin)
    with pytest.raises(ComponentError, match=r"norm\.layer_norm.*swarmformer\.components\.norm.*:Halve"):
        registry.register("norm", "layer_norm")(Halve)
    assert registry.get("norm", "halve") is Halve


def test_an_unknown_name_is_answered_first_with_what_a_command_can_do() -> None:
    with pytest.raises(SpecError, match=r"unknown local 'no_mask'.*module:Class, such as mine:NoMask.*entry point.*@"):
        registry.get("local", "no_mask")


@pytest.mark.parametrize(("slot", "name", "words"), [
    ("local", "attention", "'attention' is a component of cluster and pooling."),
    ("norm", "windowed_attention", "'windowed_attention' is a component of local."),
])  # fmt: skip
def test_the_name_of_another_slot_s_component_is_recognised(slot: str, name: str, words: str) -> None:
    with pytest.raises(SpecError, match=f"unknown {slot} '{name}'. {words}"):
        registry.get(slot, name)


def test_unknown_names_are_answered_with_the_nearest() -> None:
    with pytest.raises(SpecError, match=r"here: unknown local 'windowed_atention'.*'windowed_attention'.*entry point"):
        registry.get("local", "windowed_atention", "here: ")
    for ask in (lambda: registry.get("locla", "x"), lambda: registry.list_components("locla")):
        with pytest.raises(ComponentError, match=r"unknown slot 'locla'.*Did you mean 'local'"):
            ask()


class Positional(Halve):
    def __init__(self, dims: Dims, times: int = 1) -> None: ...


class Starred(Halve):
    def __init__(self, dims: Dims, **options: int) -> None: ...


class Untyped(Halve):
    def __init__(self, dims: Dims, *, times=1) -> None: ...


class Undefaulted(Halve):
    def __init__(self, dims: Dims, *, times: int) -> None: ...


class Named(Halve):
    def __init__(self, dims: Dims, *, name: str = "x") -> None: ...


class Unresolved(Halve):
    def __init__(self, dims: Dims, *, times: Missing = 1) -> None: ...  # type: ignore[name-defined]  # noqa: F821


class Abstract(Norm):
    def __init__(self, dims: Dims) -> None: ...


class NoNorm:
    def __init__(self, dims: Dims) -> None: ...


@pytest.mark.parametrize(
    ("cls", "words"),
    [
        (Positional, "keyword-only options"),
        (Starred, r"\*\*options.*list every option"),
        (Untyped, "'times' needs a type and a default"),
        (Undefaulted, "'times' needs a type and a default"),
        (Named, "cannot be called 'name'"),
        (Unresolved, "'Missing' is not defined.*TYPE_CHECKING"),
        (Abstract, "does not implement forward"),
        (NoNorm, r"must subclass swarmformer\.contracts\.norm\.Norm"),
    ],
)
def test_classes_that_break_the_contract_are_refused(cls: type, words: str) -> None:
    with pytest.raises(ComponentError, match=words):
        registry.register("norm", "broken")(cls)
    assert "broken" not in {entry.name for entry in registry.list_components("norm")}


def test_a_class_by_path() -> None:
    path = f"{__name__}:Halve"
    assert registry.get("norm", path) is Halve
    model = swarmformer.build_model("base", norm={"name": path, "times": 3})
    assert model.spec.slots["norm"].to_dict() == {"name": path, "times": 3}


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("no_such_package:X", "ModuleNotFoundError"),
        (f"{__name__}:Nobody", "AttributeError.*Nobody"),
        (f"{__name__}:NoNorm", r"must subclass swarmformer\.contracts\.norm\.Norm"),
        (":X", "Empty module name"),
    ],
)
def test_a_path_that_leads_nowhere(path: str, words: str) -> None:
    with pytest.raises(SpecError, match=rf"overrides: model\.norm: norm '{path}' cannot be used.*{words}"):
        swarmformer.build_model("base", norm=path)


# Plug-ins: real dist-info folders on sys.path, as an installation leaves them.

GOOD = """
from swarmformer.contracts import Dims, Norm
{decorator}
class Good(Norm):
    '''A good plug-in.'''
    def __init__(self, dims: Dims, *, times: int = 2) -> None:
        super().__init__()
    def forward(self, x):
        return x
"""


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """``install(distribution, entry point, target, source of the module)``."""
    monkeypatch.syspath_prepend(str(tmp_path))
    before = set(sys.modules)

    def put(distribution: str, entry: str, target: str, source: str) -> None:
        info = tmp_path / f"{distribution.replace('-', '_')}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(f"[swarmformer.components]\n{entry} = {target}\n")
        (tmp_path / f"{target.split(':')[0]}.py").write_text(textwrap.dedent(source))
        importlib.invalidate_caches()
        registry._plugins.cache_clear()

    yield put
    for name in set(sys.modules) - before:
        if getattr(sys.modules[name], "__file__", None) and str(tmp_path) in str(sys.modules[name].__file__):
            del sys.modules[name]


def entries(name: str) -> list[registry.Entry]:
    return [entry for entry in registry.list_components() if entry.name == name]


def test_a_plugin_is_listed_unimported_and_loaded_when_asked_for(install) -> None:
    install("good-one", "norm.good", "good_one:Good", GOOD.format(decorator=""))
    [entry] = entries("good")
    assert "good_one" not in sys.modules
    assert entry.origin == "good-one 1.0 (good_one:Good)"
    model = swarmformer.build_model("base", norm="good")
    assert model.spec.slots["norm"].options == {"times": 2}
    assert (entry.fault, entry.summary) == (None, "A good plug-in.")


@pytest.mark.parametrize("target", ["good_one:Good", "shop_window:Good"])
def test_a_plugin_that_also_registers_itself_appears_once(install, tmp_path: Path, target: str) -> None:
    """Also where the entry point names a module that only re-exports the class."""
    decorator = "from swarmformer import register\n@register('norm', 'good')"
    source = GOOD.format(decorator=decorator) if target.startswith("good") else "from good_one import Good\n"
    (tmp_path / "good_one.py").write_text(GOOD.format(decorator=decorator))
    install("good-one", "norm.good", target, source)
    for _ in range(2):
        assert registry.get("norm", "good").__name__ == "Good"
        assert [entry.fault for entry in entries("good")] == [None]


@pytest.mark.parametrize(
    ("entry", "source", "words"),
    [
        ("norm.bad", "import no_such_package\n", "ModuleNotFoundError.*no_such_package"),
        ("norm.bad", "class Bad: ...\n", "must subclass swarmformer.contracts.norm.Norm"),
        ("norm.bad", "Bad = 3\n", "must subclass"),
        ("norm.bad", "other = 1\n", "AttributeError"),
        ("norm.bad", "1 / 0\n", "ZeroDivisionError"),
        ("nrom.bad", GOOD.format(decorator="").replace("Good", "Bad"), "unknown slot 'nrom'.*'norm'"),
        (
            "norm.bad",
            "from swarmformer.contracts import Norm\nclass Bad(Norm):\n"
            "    def __init__(self, dims, **options):\n        super().__init__()\n    def forward(self, x):\n"
            "        return x\n",
            "list every option",
        ),
        ("norm.layer_norm", GOOD.format(decorator="").replace("Good", "Bad"), r"norm\.layer_norm .* is also the name"),
    ],
    ids=["import", "base class", "no class", "no attribute", "crash", "slot", "kwargs", "name taken"],
)
def test_a_broken_plugin_is_listed_with_its_fault_and_breaks_nothing_else(install, entry, source, words) -> None:
    install("bad-one", entry, "bad_one:Bad", source)
    [broken] = [e for e in registry.list_components() if "bad-one" in e.origin]
    assert broken.fault is not None

    assert re.search(words, broken.fault), broken.fault
    assert load_variant("base+layer_norm").model_spec().slots["norm"].name == "layer_norm"
    assert registry.get("norm", "layer_norm").__module__.startswith("swarmformer.")
    if entry == "norm.bad":
        with pytest.raises(SpecError, match=r"(?s)norm\.bad from bad-one 1\.0 .*cannot be used"):
            swarmformer.build_model("base", norm="bad")


def test_two_plugins_of_one_name_are_both_refused(install) -> None:
    install("good-one", "norm.good", "good_one:Good", GOOD.format(decorator=""))
    install("good-two", "norm.good", "good_two:Good", GOOD.format(decorator=""))
    assert [("good-one" in e.fault) and ("good-two" in e.fault) for e in entries("good") if e.fault] == [True, True]
    with pytest.raises(SpecError, match=r"norm\.good .*good-"):
        registry.get("norm", "good")


def test_a_file_in_the_place_of_a_module_is_told() -> None:
    with pytest.raises(SpecError, match=r"a module has no ending: write mine:Mean"):
        registry.get("pooling", "mine.py:Mean")

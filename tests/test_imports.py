"""What is imported only where it is used: torch's compiler and xFormers take seconds, pytest may be absent."""

from __future__ import annotations

import subprocess
import sys

import pytest

SCRIPT = """
import sys

def slow():
    return [name for name in ("torch._dynamo", "xformers") if name in sys.modules]

import swarmformer.ops.attention
print("attention:", *slow())
from swarmformer.assembly import assemble_without_weights
from swarmformer.variants import list_variants, load_variant
for variant in list_variants():
    model = assemble_without_weights(load_variant(variant).model_spec())
    assert all(parameter.is_meta for parameter in model.parameters())
    assert not slow(), variant
print("without weights:", *slow())
sys.modules["pytest"] = None
import swarmformer.testing
print("the kit:", callable(swarmformer.testing.check_component))
"""


@pytest.fixture(scope="module")
def said() -> list[str]:
    """By one interpreter of its own."""
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_neither_xformers_nor_the_compiler_is_imported_before_it_is_used(said: list[str]) -> None:
    """Every command would wait for them."""
    assert said[0] == "attention:"


def test_building_any_variant_without_weights_does_not_import_torchs_compiler(said: list[str]) -> None:
    """It takes a second of every ``swarmformer show`` and ``grid plan``."""
    assert said[1] == "without weights:"


def test_the_kit_is_importable_without_pytest(said: list[str]) -> None:
    assert said[2] == "the kit: True"

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
from swarmformer.variants import load_variant
for variant in ("base", "enhanced"):
    model = assemble_without_weights(load_variant(variant).model_spec())
    assert all(parameter.is_meta for parameter in model.parameters())
    print(f"{variant} without weights:", *slow())
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


def test_building_without_weights_does_not_import_torchs_compiler(said: list[str]) -> None:
    """It takes a second of every ``swarmformer show``."""
    assert said[1:3] == ["base without weights:", "enhanced without weights:"]


def test_the_kit_is_importable_without_pytest(said: list[str]) -> None:
    assert said[3] == "the kit: True"

"""Freed memory that is kept: fewer page faults, and the user's own settings go first."""

from __future__ import annotations

import os
import platform
import subprocess
import sys

import pytest

from swarmformer.ops.memory import SETTINGS, keep_freed_memory

GLIBC = platform.libc_ver()[0] == "glibc"
COUNT = """
import resource, torch
from swarmformer.ops.memory import keep_freed_memory
print(keep_freed_memory())
def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(12):  # small objects take of the hole that a tensor leaves, until it is stable
    torch.ones(16 * 2**20)
before = faults()
for _ in range(20):
    torch.ones(16 * 2**20)
print(faults() - before)
"""


def run(**variables: str) -> tuple[str, int]:
    clean = {name: value for name, value in os.environ.items() if name not in SETTINGS}
    done = subprocess.run([sys.executable, "-c", COUNT], env={**clean, **variables}, capture_output=True, text=True)
    said, faults = done.stdout.split()
    return said, int(faults)


@pytest.mark.skipif(not GLIBC, reason="another C library")
def test_a_tensor_of_64_megabytes_is_not_mapped_anew() -> None:
    pages = 64 * 2**20 // 4096
    kept, few = run()
    left, many = run(MALLOC_TOP_PAD_="0")
    # The heap may find its place once more; what is left alone maps every tensor, 20 times.
    assert kept == "True" and few < 2 * pages
    assert left == "False" and many > 15 * pages


def test_own_settings_are_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MALLOC_TRIM_THRESHOLD_", "131072")
    assert keep_freed_memory() is False


def test_another_library_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "libc_ver", lambda: ("", ""))
    assert keep_freed_memory() is False

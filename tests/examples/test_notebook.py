"""The notebook of examples: run in order, without a fault, small; slowly, run again."""

from __future__ import annotations

import ast
import builtins
import json
import os
import re
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.processes import ROOT

NOTEBOOK = ROOT / "examples" / "ablation.ipynb"
CELLS: list[dict[str, Any]] = json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"]
CODE = [cell for cell in CELLS if cell["cell_type"] == "code"]


def source(cell: dict[str, Any]) -> str:
    """Its Python; a line for the shell is none."""
    return "".join(line for line in cell["source"] if not line.startswith("!"))


def printed(cell: dict[str, Any]) -> str:
    return "".join("".join(output.get("text", ())) for output in cell["outputs"])


def test_it_was_run_in_order_and_without_a_fault() -> None:
    assert [cell["execution_count"] for cell in CODE] == list(range(1, len(CODE) + 1))
    assert all(output["output_type"] != "error" for cell in CODE for output in cell["outputs"])
    assert NOTEBOOK.stat().st_size < 300_000


def test_its_names_exist_when_they_are_used() -> None:
    known = set(dir(builtins))
    for cell in CODE:
        nodes = list(ast.walk(ast.parse(source(cell))))
        names = [node for node in nodes if isinstance(node, ast.Name)]
        known |= {node.asname or node.name for node in nodes if isinstance(node, ast.alias)}
        known |= {node.id for node in names if isinstance(node.ctx, ast.Store)}
        assert {node.id for node in names} <= known


def test_it_goes_from_data_to_a_verdict() -> None:
    said = "\n".join(map(printed, CODE))
    for words in ("2 arms × 3 seeds = 6 cells", "registered as", "COMPLETED 6", "base+shift_residual+positions less"):
        assert words in said
    shown = {kind for cell in CODE for output in cell["outputs"] for kind in output.get("data", {})}
    assert shown >= {"text/markdown", "image/png"}
    assert not re.search(r"/(tmp|home|root|work|Users)/", NOTEBOOK.read_text(encoding="utf-8"))


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_it_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    nbclient, nbformat = pytest.importorskip("nbclient"), pytest.importorskip("nbformat")
    pytest.importorskip("ipykernel")
    monkeypatch.setenv("PATH", os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]))
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("SWARMFORMER_CACHE", str(tmp_path / "cache"))
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    nbclient.NotebookClient(notebook, timeout=800, resources={"metadata": {"path": str(tmp_path)}}).execute()
    again = [cell for cell in notebook.cells if cell.cell_type == "code"]
    before, after = ([line.partition(":")[0] for line in printed(cell).splitlines() if " less " in line]
                     for cell in (CODE[-1], again[-1]))  # fmt: skip
    assert before == after != []

"""The ``swarmformer`` command."""

from __future__ import annotations

import pytest

from swarmformer import list_components
from swarmformer.cli import main


def test_components_lists_all_with_options(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["components"]) == 0
    shown = capsys.readouterr().out
    for entry in list_components():
        assert f"{entry.slot}.{entry.name}  [" in shown
    assert "- window: int = 16" in shown


def test_components_of_one_slot(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["components", "norm"]) == 0
    shown = capsys.readouterr().out
    assert "norm.layer_norm" in shown and "local." not in shown


def test_variants_and_factors(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["variants"]) == 0
    shown = capsys.readouterr().out
    assert "original_base" in shown and "windowed" in shown


def test_show_prints_published_figures(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["show", "original_base"]) == 0
    shown = capsys.readouterr().out
    assert "without the embedding table 888,962" in shown
    assert "at 768 tokens: 2,293,236,480" in shown


@pytest.mark.parametrize("words", [["show", "bse"], ["components", "locl"]])
def test_faults_end_with_a_message(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(words) == 2
    assert "Did you mean" in capsys.readouterr().err

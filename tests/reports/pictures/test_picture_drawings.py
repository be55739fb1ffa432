"""Drawings: from their data alone, the same bytes twice, nothing cut off, nothing told by colour alone."""

from __future__ import annotations

import io
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

import matplotlib
import pandas as pd
import pytest
from matplotlib import colors
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.text import Text

from reports.definition import read_definitions
from reports.evidence import gather
from reports.pictures import PICTURES
from reports.pictures.layout import text_width, wrap
from reports.style import CEILING, FLOOR, LOOKS, RC, SMALL, arm_style, base_style, line_style, save
from tests.reports import synthetic_curves as curves
from tests.reports import synthetic_runs as runs
from tests.reports.synthetic_design import write_design

LONG = "base+windowed+multi_head+routing+gated_mlp+layer_norm+tied_qkv+pyramid+gumbel$x^2$_%<&>"
STRANGE = "w" * 70
EFFECTS = {("windowed",): 0.03, ("pyramid",): -0.02, ("windowed", "routing"): 0.015}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fraction of which cells are missing, a full design with one seed, and a grid with hard names."""
    root = tmp_path_factory.mktemp("grids")
    fraction = write_design(root / "fraction", EFFECTS, noise=0.008, seeds=(0, 1))
    for cell in sorted(path for path in fraction.iterdir() if path.is_dir())[:3]:
        shutil.rmtree(cell)
    write_design(root / "one_seed", EFFECTS, factors=("windowed", "routing", "pyramid"), resolution=None, seeds=(0,))
    hard = runs.write_grid(root / "hard", {"base": {0: 0.5, 1: 0.52}, LONG: {0: 0.7}, STRANGE: {0: 0.6}, "gone": {}})
    runs.write(hard / "floors.json", runs.floors("majority", "NB-SVM, unigrams and bigrams", "oracle", accuracy=0.52))
    runs.write(hard / "costs.json", runs.costs(runs.latency("base", 1), runs.latency(LONG, 1)))
    for grid in (fraction, hard, root / "one_seed"):
        for number, cell in enumerate(sorted(path for path in grid.iterdir() if path.is_dir())):
            curves.write_curve(cell, curves.plain_curve(0.01 * number, routed="routing" in cell.name))
    return root


OPTIONS = {
    "pareto": {"against": ["flops", "latency"]},
    "telemetry": {"most": 2},
    "cost_length": {"measured": ["scaling_training"]},
    "curves": {"arms": ["base", LONG, STRANGE, "base+windowed+routing+pyramid"]},
}


@pytest.fixture(scope="module")
def frames(folder: Path) -> dict[str, pd.DataFrame]:
    evidence = gather(sorted(folder.iterdir()))
    return {kind: picture.data(evidence, OPTIONS.get(kind, {})) for kind, picture in PICTURES.items()}


@pytest.fixture(scope="module")
def figures(frames: dict[str, pd.DataFrame]) -> dict[str, Figure]:
    return {kind: PICTURES[kind].draw(frame, f"{kind}: {LONG}") for kind, frame in frames.items()}


def texts(figure: Figure) -> Iterator[Text]:
    """Every text that can be seen: not the labels of ticks outside the axes' limits, which are not drawn."""
    for text in figure.findobj(Text):
        if isinstance(text, Text) and text.get_visible() and text.get_text().strip():
            yield text


def outside_ticks(figure: Figure) -> set[Text]:
    found = set[Text]()
    for axes in figure.findobj(matplotlib.axes.Axes):
        for axis in (axes.xaxis, axes.yaxis):
            low, high = sorted(axis.get_view_interval())
            hidden = not axes.axison
            ticks = [*axis.get_major_ticks(), *axis.get_minor_ticks()]
            found |= {t.label1 for t in ticks if hidden or not low <= t.get_loc() <= high} | {t.label2 for t in ticks}
            found |= {axis.label} if hidden else set()
    return found


@pytest.mark.parametrize("kind", PICTURES)
def test_no_text_is_cut_off_or_small(kind: str, figures: dict[str, Figure]) -> None:
    figure = figures[kind]
    with matplotlib.rc_context(RC):  # as a file is written
        figure.draw_without_rendering()
    unseen, seen = outside_ticks(figure), 0
    for text in texts(figure):
        if text not in unseen:
            box = text.get_window_extent()
            inside = (
                box.x0 >= -1 and box.y0 >= -1 and box.x1 <= figure.bbox.width + 1 and box.y1 <= figure.bbox.height + 1
            )
            assert inside, f"{text.get_text()!r} lies at {box}"
            assert text.get_fontsize() >= SMALL
            seen += 1
    assert seen > 10


@pytest.mark.parametrize("kind", PICTURES)
def test_the_same_data_read_again_from_csv_give_the_same_bytes(
    kind: str, frames: dict[str, pd.DataFrame], figures: dict[str, Figure], tmp_path: Path
) -> None:
    again = pd.read_csv(io.StringIO(frames[kind].to_csv(index=False)), engine="python")  # exact floats
    drawn = {"first": figures[kind], "second": PICTURES[kind].draw(again, f"{kind}: {LONG}")}
    for suffix in ("svg", "png"):
        for name, figure in drawn.items():
            save(figure, tmp_path / f"{name}.{suffix}")
        assert (tmp_path / f"first.{suffix}").read_bytes() == (tmp_path / f"second.{suffix}").read_bytes()
    svg = (tmp_path / "first.svg").read_text(encoding="utf-8")
    ElementTree.fromstring(svg)
    assert not re.search(r"\d{4}-\d\d-\d\dT", svg)  # no date


def looks_of(legend_lines: list[Line2D]) -> list[tuple[object, ...]]:
    return [(line.get_marker(), str(line.get_linestyle()), line.get_fillstyle()) for line in legend_lines]


@pytest.mark.parametrize("kind", ["pareto", "curves", "telemetry"])
def test_series_differ_in_more_than_colour(kind: str, figures: dict[str, Figure]) -> None:
    legends = [legend for part in figures[kind].subfigs for legend in part.legends]
    assert legends
    for legend in legends:
        lines = [line for line in legend.get_lines() if line.get_marker() not in ("None", "none", None)]
        assert lines and len(set(looks_of(lines))) == len(lines)


def test_looks_are_all_unlike_and_dark_enough_in_grey() -> None:
    points = [base_style(), *(arm_style(index, LOOKS) for index in range(LOOKS))]
    assert len({(look["marker"], look["fillstyle"]) for look in points}) == LOOKS + 1
    lines = [line_style(index, LOOKS) for index in range(LOOKS)]
    assert len({(look["marker"], look["linestyle"]) for look in lines}) == LOOKS
    for look in (*points, *lines):
        red, green, blue = colors.to_rgb(look["color"])
        assert 0.299 * red + 0.587 * green + 0.114 * blue < 0.75  # luma of Rec. 601: what a grey print shows
    assert FLOOR["linestyle"] != CEILING["linestyle"]
    for style in (arm_style, line_style):
        with pytest.raises(ValueError, match="without colour"):
            style(LOOKS, LOOKS)


def test_the_pareto_picture_names_arms_floors_and_gaps(figures: dict[str, Figure]) -> None:
    said = " ".join(" ".join(text.get_text() for text in texts(figures["pareto"])).split())
    for part in ("base (base)", "gone (no finished run)", "NB-SVM, unigrams and bigrams", "Front, cheapest first:"):
        assert part in said
    assert LONG in said.replace(" ", "") and STRANGE in said.replace(" ", "")


def test_many_arms_keep_looks_for_the_base_and_the_front(tmp_path: Path) -> None:
    grid = runs.write_grid(
        tmp_path / "many", {"base": {0: 0.5}, **{f"arm{n}": {0: 0.3} for n in range(59)}, "top": {0: 0.9}}
    )
    figure = PICTURES["pareto"].draw(PICTURES["pareto"].data(gather([grid]), {}), "many")
    (legend,) = figure.subfigs[0].legends
    assert [text.get_text() for text in legend.get_texts()] == [
        "base (base)", "top", "59 other arms", "Pareto front of the means",
    ]  # fmt: skip


@pytest.mark.parametrize("text", [LONG, STRANGE, "a b+c d", "", "one two three four five six seven eight nine ten"])
def test_wrapped_text_fits_and_loses_nothing(text: str) -> None:
    lines = wrap(text, 80).split("\n")
    assert all(text_width(line) <= 80 for line in lines)
    assert "".join(lines).replace(" ", "") == text.replace(" ", "")


def test_the_definitions_that_are_shipped_are_of_known_kinds_and_options(folder: Path) -> None:
    evidence = gather(sorted(folder.iterdir()))
    drawn = [definition for definition in read_definitions() if definition.picture is not None]
    assert {definition.picture for definition in drawn} == set(PICTURES)
    for definition in drawn:
        assert not PICTURES[str(definition.picture)].data(evidence, definition.options).empty, definition.name


@pytest.mark.parametrize("kind", sorted(set(PICTURES) - {"cost_length"}))
def test_a_grid_of_one_seed_is_drawn_without_bands(folder: Path, kind: str) -> None:
    frame = PICTURES[kind].data(gather([folder / "one_seed"]), {})
    if frame.empty:
        pytest.skip("nothing to draw in this grid")
    PICTURES[kind].draw(frame, "one seed")

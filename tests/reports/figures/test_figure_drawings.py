"""Drawings: from their data alone, the same bytes twice, nothing cut off, nothing told by colour alone."""

from __future__ import annotations

import io
import re
import shutil
import warnings
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from xml.etree import ElementTree

import matplotlib
import numpy as np
import pandas as pd
import pytest
from matplotlib import colors
from matplotlib.collections import PolyCollection
from matplotlib.figure import Figure
from matplotlib.path import Path as Path2D
from matplotlib.text import Text

from reports.definition import read_definitions
from reports.figures import KINDS, drawn
from reports.figures.look import RC, SMALL, line_style, wrapped
from reports.study.build import study
from tests.reports import synthetic_curves as curves
from tests.reports import synthetic_runs as runs
from tests.reports.synthetic_design import write_design

LONG = "base+windowed+multi_head+routing+gated_mlp+layer_norm+tied_qkv+pyramid+gumbel$x^2$_%<&>"
STRANGE = "w" * 70
NAMES = {
    "mean 平均": "mean平均",
    "a$b_c": "a$b_c",
    "bell \x07 and\nline": "bell\ufffdand↵line",
    "half \ud800": "half\ufffd",
    "back\\slash $\\frac{1}{2}$": "back\\slash$\\frac{1}{2}$",
    "👩‍🔬 عربى": "👩‍🔬عربى",
}
"""Names and how they are drawn, spaces apart."""
FACTORS = ("windowed", "routing", "pyramid", "tied_qkv", "layer_norm")  # of resolution III in eight arms
EFFECTS = {("windowed",): 0.03, ("pyramid",): -0.02, ("windowed", "routing"): 0.015}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fraction of which cells are missing, a full design with one seed, and a grid with hard names."""
    root = tmp_path_factory.mktemp("grids")
    fraction = write_design(root / "fraction", EFFECTS, factors=FACTORS, resolution=3, noise=0.008, seeds=(0, 1))
    for cell in sorted(path for path in fraction.iterdir() if path.is_dir())[:3]:
        shutil.rmtree(cell)
    write_design(root / "one_seed", EFFECTS, factors=("windowed", "routing", "pyramid"), resolution=None, seeds=(0,))
    hard = runs.write_grid(root / "hard", {"base": {0: 0.5, 1: 0.52}, LONG: {0: 0.7}, STRANGE: {0: 0.6}, "gone": {}})
    for seed, accuracy in ((0, 0.5), (1, 0.52)):
        runs.write_cell(hard, runs.result("base", seed, accuracy, epoch_flops=runs.an_epoch(10**9)))
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
    read = study(sorted(folder.iterdir()))
    return {name: KINDS.make(name, OPTIONS.get(name, {})).data(read) for name in KINDS.names()}


@pytest.fixture(scope="module")
def figures(frames: dict[str, pd.DataFrame]) -> dict[str, Figure]:
    return {name: KINDS.make(name, {}).draw(frame, f"{name}: {LONG}") for name, frame in frames.items()}


@pytest.fixture(scope="module")
def pictures(figures: dict[str, Figure]) -> Callable[[str, str], bytes]:
    """A figure's bytes by its name and suffix; each is drawn once."""
    return cache(lambda name, suffix: drawn(figures[name], suffix))


def texts(figure: Figure) -> Iterator[Text]:
    for text in figure.findobj(Text):
        if isinstance(text, Text) and text.get_visible() and text.get_text().strip():
            yield text


def said(figure: Figure) -> str:
    return "".join("".join(text.get_text() for text in texts(figure)).split())


@pytest.mark.parametrize("name", KINDS.names())
def test_nothing_is_cut_off_or_small(
    name: str, figures: dict[str, Figure], pictures: Callable[[str, str], bytes]
) -> None:
    picture = matplotlib.image.imread(io.BytesIO(pictures(name, "png")))[..., :3]
    edges = (picture[:2], picture[-2:], picture[:, :2], picture[:, -2:])
    assert all(np.all(edge == 1) for edge in edges)  # white all around
    assert picture.shape[1] < 160 * 9  # no text makes it much wider than a page
    sizes = [text.get_fontsize() for text in texts(figures[name])]
    assert len(sizes) > 10 and min(sizes) >= SMALL - 1


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=[pytest.mark.slow] * (name in ("pareto", "telemetry"))) for name in KINDS.names()],
)
def test_the_same_data_read_again_from_csv_give_the_same_bytes(
    name: str, frames: dict[str, pd.DataFrame], pictures: Callable[[str, str], bytes]
) -> None:
    again = pd.read_csv(io.StringIO(frames[name].to_csv(index=False)), engine="python")  # exact floats
    second = KINDS.make(name, {}).draw(again, f"{name}: {LONG}")
    assert drawn(second, "png") == pictures(name, "png")
    svg = drawn(second, "svg").decode()
    assert svg == pictures(name, "svg").decode()
    ElementTree.fromstring(svg)
    assert not re.search(r"\d{4}-\d\d-\d\dT", svg)  # no date


@pytest.mark.parametrize("name", ["pareto", "effects", "curves", "telemetry", "cost_length"])
def test_series_differ_in_more_than_colour(name: str, figures: dict[str, Figure]) -> None:
    legends = [legend for part in figures[name].subfigs for legend in part.legends]
    assert legends
    for legend in legends:
        lines = [line for line in legend.get_lines() if line.get_marker() not in ("None", "none", None)]
        looks = {(line.get_marker(), str(line.get_linestyle()), str(line.get_markerfacecolor())) for line in lines}
        assert lines and len(looks) == len(lines)


def test_lines_are_all_unlike_and_dark_enough_in_grey() -> None:
    lines = [line_style(index) for index in range(77)]
    assert len({(look["marker"], str(look["linestyle"])) for look in lines}) == 77
    for look in lines:
        red, green, blue = colors.to_rgb(look["color"])
        assert 0.299 * red + 0.587 * green + 0.114 * blue < 0.75  # luma of Rec. 601: what a grey print shows


def test_the_pareto_figure_names_arms_baselines_and_gaps(figures: dict[str, Figure]) -> None:
    words = said(figures["pareto"])
    for part in ("base(base)", "gone(nofinishedrun)", "NB-SVM,unigramsandbigrams", "Front,cheapestfirst:"):
        assert part in words
    assert LONG in words and STRANGE in words


def test_many_arms_keep_numbers_for_the_base_and_the_front(tmp_path: Path) -> None:
    grid = runs.write_grid(
        tmp_path / "many", {"base": {0: 0.5}, **{f"arm{n}": {0: 0.3} for n in range(59)}, "top": {0: 0.9}}
    )
    figure = KINDS.make("pareto", {}).draw(KINDS.make("pareto", {}).data(study([grid])), "many")
    (legend,) = figure.subfigs[0].legends
    assert [text.get_text().split()[1] for text in legend.get_texts()][:2] == ["base", "top"]
    assert not any("arm5" in text.get_text() for text in texts(figure))


def test_a_baseline_far_below_all_arms_is_named_and_not_drawn(frames: dict[str, pd.DataFrame]) -> None:
    """It would press the arms, which are to be compared, into one line."""
    frame = frames["pareto"].copy()
    arms, far = frame["kind"] == "arm", frame.index[frame["kind"] == "baseline"][:1]
    frame.loc[arms, ["accuracy", "low", "high"]] = [[0.84 + 0.01 * (row % 3)] * 3 for row in range(arms.sum())]
    frame.loc[~arms, "accuracy"] = 0.88
    frame.loc[frame["arm"] == frame.loc[far, "arm"].item(), "accuracy"] = 0.5
    figure = KINDS.make("pareto", {}).draw(frame, "far")
    name = "".join(frame.loc[far, "arm"].item().split())
    assert f"Belowthepicture:{name}(50.00%)" in said(figure)
    assert all(axes.get_ylim()[0] > 80 for axes in figure.axes if axes.get_ylim() != (0, 1))


def test_long_names_are_broken_where_their_words_end() -> None:
    assert wrapped("fraction_imdb_quick, imdb", 18) == "fraction_imdb_\nquick, imdb"
    assert wrapped("layer_norm+tied_qkv", 12) == "layer_norm+\ntied_qkv"


def test_labels_of_levels_do_not_overlap(figures: dict[str, Figure]) -> None:
    figure = figures["pareto"]
    with matplotlib.rc_context(RC):
        figure.draw_without_rendering()
        boxes = [text.get_window_extent() for text in texts(figure) if text.get_gid() == "level"]
    assert len(boxes) >= 3 and sum(box.overlaps(other) for box in boxes for other in boxes) == len(boxes)


def test_names_of_any_characters_are_drawn_as_they_are_and_cost_nothing(tmp_path: Path) -> None:
    plain = {f"odd{number}": name for number, name in enumerate(NAMES)}
    grid = runs.write_grid(tmp_path / "odd", {"base": {0: 0.5}, **{name: {0: 0.4} for name in plain}})
    odd = KINDS.make("pareto", {}).data(study([grid])).astype(object).replace(plain)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        figure = KINDS.make("pareto", {}).draw(odd, " ".join(NAMES))
        svg, png = drawn(figure, "svg"), drawn(figure, "png")
    ElementTree.fromstring(svg.decode())
    assert png.startswith(b"\x89PNG")
    counts = {name: said(figure).count(shown) for name, shown in NAMES.items()}
    assert min(counts.values()) >= 2, "in the title and beside the mark"


def test_the_definitions_that_are_shipped_are_of_known_kinds_and_options(folder: Path) -> None:
    read = study(sorted(folder.iterdir()))
    figured = [definition for definition in read_definitions() if definition.figure is not None]
    assert {definition.figure for definition in figured} == set(KINDS.names())
    for definition in figured:
        assert not KINDS.make(str(definition.figure), definition.options).data(read).empty, definition.name


def bands(figure: Figure) -> list[Path2D]:
    """Outlines of what is filled between two lines; where neither is known there is none."""
    return [path for axes in figure.axes for filled in axes.findobj(PolyCollection) for path in filled.get_paths()]


def test_seeds_that_differ_are_a_band(figures: dict[str, Figure]) -> None:
    assert bands(figures["curves"])


@pytest.mark.parametrize("name", sorted({*KINDS.names()} - {"cost_length", "telemetry"}))
def test_a_grid_of_one_seed_is_drawn_without_bands(folder: Path, name: str) -> None:
    frame = KINDS.make(name, {}).data(study([folder / "one_seed"]))
    figure = KINDS.make(name, {}).draw(frame, "one seed")
    figure.draw_without_rendering()
    assert figure.axes and not bands(figure)

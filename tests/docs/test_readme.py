"""What README.md says in figures is what committed tables say."""

from __future__ import annotations

import re
from itertools import takewhile

import pytest

from reports.render import table_lines
from tests.committed import RESULTS
from tests.processes import ROOT

README = (ROOT / "README.md").read_text(encoding="utf-8")
CARDS = (ROOT / "docs" / "components" / "README.md").read_text(encoding="utf-8")
CHANGE = r"(\S+(?: %)?)"
COSTS = re.findall(rf"^\| \d \| \[(\w+)\].*\| {CHANGE} \| {CHANGE} \| {CHANGE} \|$", CARDS, re.MULTILINE)
"""Of each enhancement its name, and what it changes in parameters and in FLOPs at the two published lengths."""
ROWS = [[cell.strip() for cell in line.strip("|").split("|")]
        for line in README.splitlines() if re.match(r"\| (\[\w+\]\(docs/components/|with)", line)]  # fmt: skip
"""Of the table of decisions; a row that begins with no name goes on with the enhancement above."""
DECISIONS = [cells for cells in ROWS if "](docs/components/" in cells[0]]


def table(name: str) -> str:
    page = (RESULTS / "paper" / f"{name.partition('_')[0]}.md").read_text(encoding="utf-8")
    return "\n".join(table_lines(page, name)).replace("\\_", "_")


def test_figures_stand_in_committed_tables() -> None:
    found = README[README.index("## What was found") : README.index("## Install")]
    tables = "\n".join(path.read_text(encoding="utf-8") for path in RESULTS.rglob("*.md"))
    assert set(re.findall(r"\d+\.\d+", found)) - set(re.findall(r"\d+\.\d+", tables + CARDS)) == set()


def test_the_demo_is_shown_as_it_is_committed() -> None:
    page = (RESULTS / "demo" / "report" / "runs.md").read_text(encoding="utf-8").replace("\\_", "_")
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in table_lines(page, "arms_demo")]
    arms = {cells[0]: ["" if text == "base" else text for text in (cells[1], *cells[3:5])] for cells in rows}
    install = README[README.index("## Install") : README.index("## Compare models")]
    lines = [line for line in install.splitlines() if line.startswith("| `")]
    shown = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    assert [name for name, *_ in shown] == [name for name in arms if re.match("`(?!.*baseline)", name)]
    assert {name: found for name, *found in shown} == {name: arms[name] for name, *_ in shown}


def test_claims_are_counted() -> None:
    verdicts = re.findall(r"\| (confirmed|refuted|not confirmed|not testable here) +\|$", table("table6"), re.MULTILINE)
    said = re.search(
        r"Of (\d+) published claims (\d+) are confirmed, (\d+) refuted\*\*, (\d+) not confirmed and (\d+)", README
    )
    kinds = ("confirmed", "refuted", "not confirmed", "not testable here")
    assert said and [*map(int, said.groups())] == [len(verdicts), *map(verdicts.count, kinds)]


def test_arms_at_the_highest_rate_are_counted() -> None:
    results = (ROOT / "docs" / "results.md").read_text(encoding="utf-8")
    said = re.search(r"(\d+) of (\d+) arms took the highest of three rates on IMDb, (\d+) of (\d+) on digits", results)
    counted: list[int] = []
    for grid in ("fraction_imdb_quick", "fraction_digits"):
        runs = (RESULTS / grid / "report" / "runs.md").read_text(encoding="utf-8")
        tuning = "\n".join(table_lines(runs, f"tuning_{grid}"))
        trials = re.findall(r"^\| `\S+` +\| +([\d.]+) \|[^|]*\| (chosen)?", tuning, re.MULTILINE)
        chosen = [float(rate) for rate, mark in trials if mark]
        assert len({rate for rate, _ in trials}) == 3
        counted += [chosen.count(max(float(rate) for rate, _ in trials)), len(chosen)]
    assert said and [*map(int, said.groups())] == counted


def test_each_enhancement_has_its_row() -> None:
    assert [re.findall(r"\[(\w+)\]", cells[0])[0] for cells in DECISIONS] == [name for name, *_ in COSTS]


@pytest.mark.parametrize(("cells", "cost"), [*zip(DECISIONS, COSTS, strict=True)], ids=[name for name, *_ in COSTS])
def test_a_row_has_the_costs_of_the_card_and_the_effects_of_table_3(cells: list[str], cost: tuple[str, ...]) -> None:
    name, parameters, flops, _ = cost
    assert cells[1:3] == [flops, parameters]
    place = ROWS.index(cells)
    below = list(takewhile(lambda row: row not in DECISIONS, ROWS[place + 1 :]))
    grids = ("fraction_digits", "crossed_digits", "fraction_imdb_quick", "factorial_imdb")
    for column, grid in enumerate(grids, 3):
        cell = " ".join(row[column] for row in (cells, *below))
        lines = [line for line in table(f"table3_{grid}").splitlines()
                 if re.match(rf"\| (?:↳ )?{name}(?:_released)? (?!×)", line)]  # fmt: skip
        effects = re.findall(r"([+−]\S+ \[\S+ \S+\]) (\w+)", cell)
        assert effects or grid == "factorial_imdb", "which has three of the eight"
        for effect, verdict in effects:
            assert any(f"| {effect} |" in " ".join(line.split()) and f"| {verdict} " in line for line in lines), effect

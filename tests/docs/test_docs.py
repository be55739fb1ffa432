"""The cards: generated parts are current, formulas are those of the components, commands and links work."""

from __future__ import annotations

import ast
import re
import shlex
from pathlib import Path
from types import FunctionType
from typing import Any

import pytest

from docs import formulas, generate
from docs.costs import slot_costs
from docs.facts import builtins, eight, entry_of, factors, in_variant, meanings, slot_of
from swarmformer import cli, registry
from swarmformer.cli.sizes import LENGTHS
from swarmformer.components.local.windowed_attention import WindowedAttention
from swarmformer.cost.variants import flops, parameters
from swarmformer.merge import nest
from swarmformer.rehearsal import rehearse
from swarmformer.variants import load_variant, resolve_run
from tests.processes import run_forked

PAGES = {path.stem: path.read_text(encoding="utf-8") for path in sorted(generate.PAGES.glob("*.md"))}
CARDS = {name: text for name, text in PAGES.items() if name != "README"}
SECTIONS = (
    "What it is", "Source", "What the original does", "Equations", "Options", "Cost", "Traps", "Beside it", "Run it",
)  # fmt: skip


def test_each_enhancement_has_a_card_and_nothing_else_has() -> None:
    assert set(CARDS) == set(eight())


# Generated parts.


def test_generated_parts_are_current() -> None:
    stale = [path.name for path, _ in generate.stale()]
    assert stale == [], "run: python docs/generate.py"


def test_a_changed_default_makes_the_card_stale(monkeypatch: pytest.MonkeyPatch) -> None:
    published: Any = WindowedAttention.__init__
    changed = FunctionType(published.__code__, published.__globals__, closure=published.__closure__)
    changed.__dict__.update(published.__dict__)
    changed.__annotations__ = published.__annotations__
    changed.__kwdefaults__ = {**published.__kwdefaults__, "window": 17}
    monkeypatch.setattr(WindowedAttention, "__init__", changed)  # options are read once a constructor
    options = next(match[0] for match in generate.REGION.finditer(CARDS["windowed"]) if match[2] == "options")
    assert generate.rendered("windowed", options) != options


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("<!-- generated:begin costs -->\n<!-- generated:end -->", r"x\.md: nothing writes 'costs'; there are sum"),
        ("<!-- generated:begin run -->\n", r"x\.md: each '<!-- generated:begin NAME -->' needs its"),
        ("<!-- generated:begin run -->\n<!-- generated:end -->\n<!-- generated:end -->", r"x\.md: each"),
    ],
)
def test_broken_regions_are_refused(text: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        generate.rendered("x", text)


def test_check_writes_nothing_and_writing_leaves_the_prose_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    page = tmp_path / "windowed.md"
    page.write_text("before\n<!-- generated:begin run -->\nold\n<!-- generated:end -->\nafter\n", encoding="utf-8")
    monkeypatch.setattr(generate, "PAGES", tmp_path)
    assert generate.main(["--check"]) == 1
    assert "windowed.md: out of date: run python docs/generate.py" in capsys.readouterr().out
    assert "old" in page.read_text(encoding="utf-8")
    assert generate.main([]) == 0
    written = page.read_text(encoding="utf-8")
    assert written.startswith("before\n") and written.endswith("\nafter\n") and "old" not in written
    assert "swarmformer show base+windowed" in written
    assert generate.main(["--check"]) == 0


def test_it_runs_as_a_script() -> None:
    done = run_forked("python", "docs/generate.py", "--help", cwd=generate.PAGES.parents[1])
    assert done.returncode == 0 and "--check" in done.stdout, done.stderr


def test_options_are_explained_by_the_docstring() -> None:
    learned = entry_of("router", "learned")
    assert set(meanings(learned)) == {option.name for option in learned.options}
    assert meanings(learned)["anneal"] == meanings(learned)["temperature"]
    assert meanings(entry_of("cluster", "attention"))["tie"].startswith("which projections share weights")


@pytest.mark.parametrize("variant", ["base", "enhanced"])
def test_costs_by_slot_add_up_to_the_model(variant: str) -> None:
    dims = load_variant(variant).model_spec().dims
    table = dims.vocab_size * dims.d_model
    totals = [sum(column) for column in zip(*slot_costs(variant).values(), strict=True)]
    classifier = [(dims.d_model + 1) * dims.num_classes - table, *[2 * dims.d_model * dims.num_classes] * len(LENGTHS)]
    whole = [parameters(variant), *(flops(variant, length) for length in LENGTHS)]
    assert [total + own for total, own in zip(totals, classifier, strict=True)] == whole


def test_the_index_lists_every_builtin_component() -> None:
    listed = set(re.findall(r"^\| \[`([\w.]+)`\]", PAGES["README"], flags=re.MULTILINE))
    assert listed == {f"{slot}.{entry.name}" for slot in registry.SLOTS for entry in builtins(slot)}


# What is written by hand.


@pytest.mark.parametrize("factor", CARDS)
def test_a_card_has_its_sections_and_every_one_says_something(factor: str) -> None:
    parts = re.split(r"^## (.+)\n", CARDS[factor], flags=re.MULTILINE)
    assert tuple(parts[1::2]) == SECTIONS
    written = [generate.REGION.sub(r"\2", part).strip() for part in parts[2::2]]
    assert all(written), dict(zip(SECTIONS, written, strict=True))
    sources = written[SECTIONS.index("Source")]
    assert f"(claim {eight().index(factor) + 1})" in sources
    assert re.search(r"(19|20)\d\d[^\n]*\n?[^\n]*\]\(https://arxiv\.org/abs/\d{4}\.\d{5}\)", sources)
    regions = {match[2].split()[0] for match in generate.REGION.finditer(CARDS[factor])}
    assert regions >= {"summary", "options", "cost", "run"}


def test_every_control_stands_beside_a_card() -> None:
    """Or, where it touches none of the eight, in the description of the architecture."""
    architecture = (generate.PAGES.parent / "architecture.md").read_text(encoding="utf-8")
    beside = {name: " ".join(re.findall("generated:begin beside (.*?) -->", text)) for name, text in CARDS.items()}
    for factor, known in factors().items():
        about = re.search(r"\((?:placebo|control) of (\w+)\)", known["description"])
        where = beside[about[1]] if about else " ".join(beside.values())
        assert factor in CARDS or factor in re.split(r"[ +]", where) or f"`{factor}`" in architecture, factor


def commands() -> list[str]:
    blocks = [block for text in CARDS.values() for block in re.findall(r"```bash\n(.*?)```", text, flags=re.DOTALL)]
    return [line for block in blocks for line in block.splitlines()]


@pytest.mark.parametrize("line", commands())
def test_commands_work(line: str, capsys: pytest.CaptureFixture[str]) -> None:
    words = shlex.split(line)
    assert words[0] == "swarmformer"
    if words[1:3] != ["train", "with"]:
        assert cli.main(words[1:]) == 0
        return
    keys = dict(word.split("=") for word in words[3:])
    variant, seed = keys.pop("variant"), int(keys.pop("seed"))
    numbers = {key: int(value) if value.isdigit() else value for key, value in keys.items()}
    rehearse(resolve_run(variant, [(nest(numbers), line)], seed=seed))


def test_links_lead_somewhere_and_no_path_is_of_one_machine() -> None:
    for name, text in PAGES.items():
        targets = [target for target in re.findall(r"\]\(([^)\s]+)\)", text) if not target.startswith("https://")]
        for target in targets:
            file, _, heading = target.partition("#")
            assert (generate.PAGES / file).exists(), f"{name}.md: {target}"
            headings = re.findall(r"^#+ (.+)$", (generate.PAGES / file).read_text(encoding="utf-8"), flags=re.MULTILINE)
            assert not heading or heading in {h.lower().replace(" ", "-") for h in headings}, f"{name}.md: {target}"
        assert not re.search(r"(?<![\w.])/(tmp|work|home|root|Users)/", text), name


def test_what_the_prose_says_of_whole_models() -> None:
    for length in (256, 768):
        assert flops("enhanced", length) < flops("base", length) < flops("enhanced-windowed", length)
        saved = {factor: flops("base", length) - flops(f"base+{factor}", length) for factor in eight()}
        assert saved["windowed"] > 10 * max(number for factor, number in saved.items() if factor != "windowed")
    assert flops("enhanced", 16_384) > flops("base", 16_384) > flops("enhanced+neighbours", 16_384)


# Formulas.

FORMULAS = [(name, *formula) for name, text in CARDS.items() for formula in formulas.FORMULA.findall(text)]
SIZES: tuple[dict[str, int], ...] = (
    {"B": 1, "N": 1, "D": 8, "S": 2, "M": 8, "L": 2, "H": 1, "W": 1, "T": 1, "X": 3, "r": 1, "E": 1, "F": 5},
    {"B": 2, "N": 23, "D": 12, "S": 4, "M": 25, "L": 3, "H": 3, "W": 5, "T": 3, "X": 8, "r": 2, "E": 9, "F": 24},
    {"B": 3, "N": 64, "D": 24, "S": 3, "M": 64, "L": 4, "H": 4, "W": 16, "T": 2, "X": 16, "r": 9, "E": 25, "F": 24},
    {"B": 1, "N": 301, "D": 9, "S": 8, "M": 512, "L": 3, "H": 1, "W": 40, "T": 4, "X": 32, "r": 1, "E": 18, "F": 1},
)


def test_anything_but_arithmetic_is_refused() -> None:
    for text in ("__import__('os')", "N.real", "Q + 1", "[N]", "N if N else 1", "True", "'2'", "N @ N"):
        with pytest.raises(ValueError, match="not arithmetic over known sizes"):
            formulas.arithmetic(ast.parse(text, mode="eval").body, {"N": 2})
    assert formulas.arithmetic(ast.parse("-(-N // 2) * 1.5 + 2**3 - N / 2", mode="eval").body, {"N": 3}) == 9.5


def test_sizes_are_explained_in_the_index() -> None:
    explained = set(re.findall(r"^\| `(\w)` \|", PAGES["README"], flags=re.MULTILINE))
    assert explained == {*SIZES[0], "C"}


@pytest.mark.parametrize("factor", CARDS)
def test_the_cost_of_a_card_is_written_for_the_new_and_for_the_original(factor: str) -> None:
    slot = slot_of(factor)
    on, off = (f"{slot}.{in_variant(slot, variant).name}" for variant in (f"base+{factor}", "base"))
    about = " ".join(what for name, what, _ in FORMULAS if name == factor)
    assert f'"base+{factor}" - "base"' in about or (f"{on}(" in about and f"{off}(" in about)
    bodies = "\n".join(body for name, _, body in FORMULAS if name == factor)
    assert re.search(r"^parameters = ", bodies, re.MULTILINE) and re.search(r"^flops = ", bodies, re.MULTILINE)


@pytest.mark.parametrize("sizes", SIZES, ids=lambda sizes: f"N={sizes['N']}")
@pytest.mark.parametrize(("name", "what", "body"), FORMULAS, ids=[f"{name}: {what}" for name, what, _ in FORMULAS])
def test_formulas_are_those_of_the_components(name: str, what: str, body: str, sizes: dict[str, int]) -> None:
    names = formulas.evaluated(body, sizes)
    written = {quantity: names[quantity] for quantity in formulas.QUANTITIES if quantity in names}
    assert written, f"{name}.md: {what} says nothing"
    assert written == {quantity: formulas.measured(what, quantity, names) for quantity in written}

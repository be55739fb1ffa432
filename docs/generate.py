"""Write the generated parts of the pages below docs: ``python docs/generate.py``; with ``--check`` only look.

A page is written by hand, but for what lies between ``<!-- generated:begin NAME WORD … -->`` and
``<!-- generated:end -->``: that comes from the registry, ``variants/factors.yaml``, models built without weights and
what was measured of norms. NAME is one of ``WRITERS``, the words are its arguments.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from docs import card, grid_keys, index, norms, training_options
from swarmformer.cli.command import CommandParser

PAGES = Path(__file__).resolve().parent / "components"
MORE = [PAGES.parent / name for name in ("architecture.md", "grids.md", "training.md")]
REGION = re.compile(r"(<!-- generated:begin ([^>]*?) -->\n)(.*?)(<!-- generated:end -->)", re.DOTALL)
MARKER = "<!-- generated:"
WRITERS: dict[str, Callable[..., str]] = {
    writer.__name__: writer
    for writer in (
        card.summary, card.options, card.cost, card.beside, card.run,
        index.cards, index.left_out, index.lengths, index.slots, index.sizes, index.components,
        training_options.budget, training_options.ingredients, grid_keys.grid_keys, norms.norms,
    )
}  # fmt: skip


def rendered(page: str, text: str) -> str:
    """``text`` of a page with every generated region written anew.

    Raises:
        ValueError: a region that nothing writes, or markers that do not pair up.
    """
    if text.count(MARKER) != 2 * len(REGION.findall(text)):
        raise ValueError(f"{page}.md: each '<!-- generated:begin NAME -->' needs its '<!-- generated:end -->'")

    def written(match: re.Match[str]) -> str:
        name, *words = match[2].split()
        if name not in WRITERS:
            raise ValueError(f"{page}.md: nothing writes {name!r}; there are {', '.join(WRITERS)}")
        return f"{match[1]}\n{WRITERS[name](page, *words)}\n\n{match[4]}"

    return REGION.sub(written, text)


def stale() -> Iterator[tuple[Path, str]]:
    """Pages whose generated parts are out of date, with the text they should have."""
    for path in [*sorted(PAGES.glob("*.md")), *MORE]:
        text = path.read_text(encoding="utf-8")
        fresh = rendered(path.stem, text)
        if fresh != text:
            yield path, fresh


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line; 1 where ``--check`` finds a page out of date."""
    parser = CommandParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="change nothing; exit with 1 if a page is out of date")
    check = parser.parse_args(arguments).check
    found = list(stale())
    for path, text in found:
        if not check:
            path.write_text(text, encoding="utf-8")
        verdict = "out of date: run python docs/generate.py" if check else "written"
        print(f"{path.name}: {verdict}")
    return 1 if check and found else 0


if __name__ == "__main__":
    sys.exit(main())

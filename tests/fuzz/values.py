"""What people, editors, disks and attackers put where a value belongs."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

YAML_TEXTS = {
    "alias bomb": "a: &a [x, x, x, x, x, x, x, x, x]\n"
    + "".join(f"{chr(98 + n)}: &{chr(98 + n)} [{', '.join([f'*{chr(97 + n)}'] * 9)}]\n" for n in range(9)),
    "alias bomb of mappings": "description: &a {x: 1}\n"
    + "".join(f"k{n}: &b{n} {{p: *{'a' if n == 0 else f'b{n - 1}'}, q: *{'a' if n == 0 else f'b{n - 1}'}}}\n"
              for n in range(40)),
    "recursion": "arms: &a [base, *a]\nseeds: [0]\n",
    "recursive mapping": "model: &m {dims: *m}\narms: [base]\nseeds: [0]\n",
    "wrong int": "seeds: [!!int abc]\narms: [base]\n", "wrong float": "train: {lr: !!float x}\n",
    "date": "arms: [base]\nseeds: [2020-99-99]\n", "good date": "arms: [2020-01-01]\nseeds: [0]\n",
    "wrong timestamp": "description: !!timestamp nope\n", "wrong bool": "floors: !!bool perhaps\n",
    "binary": "description: !!binary '@@@'\n", "set": "arms: !!set {base}\nseeds: [0]\n", "omap": "model: !!omap 3\n",
    "pairs": "arms: !!pairs [a]\n", "object": "arms: !!python/object/apply:os.system ['true']\nseeds: [0]\n",
    "unknown tag": "arms: !mine [base]\n", "5,000 digits": f"seeds: [{'9' * 5000}]\narms: [base]\n",
    "hexadecimal of 5,000 digits": f"seeds: [0x{'f' * 5000}]\narms: [base]\n",
    "sexagesimal": f"seeds: [{':'.join(['59'] * 3000)}]\narms: [base]\n",
    "underscores": "seeds: [_]\narms: [base]\n", "0x": "seeds: [0x_]\narms: [base]\n", "0b": "seeds: [0b_]\n",
    "500 brackets": f"arms: {'[' * 500}{']' * 500}\n", "100,000 brackets": "[" * 100_000,
    "500 braces": f"model: {'{a: ' * 500}1{'}' * 500}\n", "deep blocks": "".join(" " * n + "a:\n" for n in range(900)),
    "20,000 keys": "".join(f"k{n}: {n}\n" for n in range(20_000)), "merge": "<<: {arms: [base]}\nseeds: [0]\n",
    "merge of a list": "<<: [3]\nseeds: [0]\n", "merge of merges": "a: &a {arms: [base]}\n<<: *a\nseeds: [0]\n",
    "merge key twice": "<<: {arms: [base]}\n<<: {seeds: [0]}\n", "merge onto itself": "model: &m {<<: *m}\n",
    "list key": "? [a, b]\n: c\n", "mapping key": "? {a: b}\n: c\n", "null key": "~: 1\n", "int key": "1: 2\n",
    "date key": "2020-01-01: 2\n", "value key": "=: 3\narms: [base]\nseeds: [0]\n", "value": "seeds: [=]\n",
    "two documents": "arms: [base]\n---\nseeds: [0]\n", "empty": "", "comment": "# nothing\n", "null": "~\n",
    "text": "just words\n", "list": "- a\n- b\n", "number": "3\n", "tab": "arms:\n\t- base\n", "unclosed": "arms: [base",
    "unclosed quote": 'arms: "base\n', "bad escape": 'description: "\\q"\n', "surrogate": 'description: "\\ud800"\n',
    "bad anchor": "arms: *nowhere\n", "percent": "%YAML 9.9\n---\narms: [base]\n", "nul": "arms: [ba\0se]\n",
    "control": "arms: ['ba\x07se']\n", "next line": "arms: ['a\x85b']\nseeds: [0]\n", "bom inside": "arms: [\ufeffbase]\n",
}  # fmt: skip

BYTES = {
    "0xff": b"arms: [base]\nseeds: [0]\n\xff", "utf-16": "arms: [base]\nseeds: [0]\n".encode("utf-16"),
    "latin-1": "description: café\n".encode("latin-1"), "zeros": b"\0" * 4096, "png": b"\x89PNG\r\n\x1a\n" + b"\0" * 64,
    "cut utf-8": "description: 平".encode()[:-1], "1 MB of a": b"a" * (1 << 20), "pickle": b"\x80\x04K\x01.",
}

NAMES = ("a\tb", "a\nb", "a\rb", "🦜", "平均", "x" * 300, "平" * 300, "..", "/", "a/b", " ", "", "=1+1", "@x", "-x", "con",
         "a\u202eb", "e\u0301", "\ud800", "$x_1$", "a&b<c>", "{{x}}", "%s", "null", "a|b", "\\input{x}")  # fmt: skip

NUMBERS = (0, -1, 1, 3, 2**31, 2**32, 2**40, 2**63, 2**70, -(2**63), 10**6, 10**7, 10**30, 0.5, -0.5, 1e-320, 1e308,
           float("inf"), float("-inf"), float("nan"))  # fmt: skip


def values(draw: random.Random) -> Any:
    """One that fits nowhere, or somewhere else."""
    pool = (*NAMES, *NUMBERS, None, True, False, [], {}, [None], {"": 1}, {"name": 3}, [[[]]], {"name": "base", "x": {}},
            "os:system", "nowhere:Class", "swarmformer:SwarmFormer", "base+windowed", "1e-3", "auto")  # fmt: skip
    return draw.choice(pool)


def leaves_of(tree: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Paths of everything below the top."""
    items = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    for key, part in items:
        yield (*path, key)
        yield from leaves_of(part, (*path, key))


def changed(tree: Any, draw: random.Random) -> tuple[Any, str]:
    """The tree with one value put in another's place, and what was done in words."""
    path = draw.choice(list(leaves_of(tree)))
    value = values(draw)
    part = tree
    for key in path[:-1]:
        part = part[key]
    what = draw.choice(("value", "value", "value", "remove", "key"))
    if what == "remove":
        del part[path[-1]]
    elif what == "key" and isinstance(part, dict):
        part[str(draw.choice(NAMES))] = part.pop(path[-1])
    else:
        part[path[-1]] = value
    return tree, f"{'.'.join(map(str, path))} {what} {str(value)[:30]!r}"


def broken(content: bytes, draw: random.Random) -> bytes:
    """Bytes flipped, cut, doubled or put in."""
    damaged = bytearray(content)
    for _ in range(draw.choice((1, 1, 3, 20))):
        place = draw.randrange(max(len(damaged), 1))
        what = draw.choice(("flip", "cut", "double", "insert", "end"))
        if what == "flip" and damaged:
            damaged[place] ^= 1 << draw.randrange(8)
        elif what == "cut":
            del damaged[place : place + draw.randrange(1, 9)]
        elif what == "double":
            damaged[place:place] = damaged[place : place + 40]
        elif what == "insert":
            damaged[place:place] = draw.choice((b"\0", b"\xff", b"\n", b"\"", b",", b"[", b"{", b"\t", "平".encode()))
        elif draw.random() < 0.3:
            del damaged[place:]
    return bytes(damaged)

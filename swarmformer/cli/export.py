"""Write a model for programs that know nothing of swarmformer, once it gives what the model gives.

It is held to the model on random tokens of many lengths and on real texts: those of FILE (a table with texts and
labels) or of --task, which tell what int8 costs in accuracy, else some built in. Sizes, speed and the largest
difference are printed, and written to export.json beside the model.

    swarmformer export my-model --format onnx --out exported
    swarmformer export my-model reviews.csv --text review --label stars --format onnx --quantize int8 --out small
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from swarmformer.cli.asking import add_example_options, check_example_options, form_asked, warnings_shown
from swarmformer.cli.command import command_parser, count, words_of
from swarmformer.errors import UsageError

if TYPE_CHECKING:
    from swarmformer.export.folder import Examples
    from swarmformer.hub import CompleteModel

FORMATS = ("onnx", "torch-export", "safetensors")


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line."""
    options = _parser().parse_intermixed_args(words_of(arguments))  # FILE may stand anywhere
    check_example_options(options, own_task=False)
    import torch

    from swarmformer.export.folder import export
    from swarmformer.hub import read

    with warnings_shown():
        complete = read(options.model, options.variant, revision=options.revision, trust_code=options.trust_code)
        record = export(
            complete, options.out, options.format, examples=_examples(complete, options),
            threads=options.threads or torch.get_num_threads(), int8=options.quantize == "int8",
        )  # fmt: skip
    print("\n".join(_lines(record, options.out)))
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = command_parser("export", __doc__)
    parser.add_argument("model", metavar="MODEL", help="a folder, the folder of a run, or OWNER/NAME on the hub")
    parser.add_argument("--format", choices=FORMATS, default="onnx", help="default: %(default)s")
    parser.add_argument("--quantize", choices=("int8",), help="weights in eight bits; of onnx")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="a new or an empty folder")
    add_example_options(parser)
    parser.add_argument("--threads", type=count, default=0, help="that are timed; 0: all that this process may use")
    parser.add_argument("--variant", help="for published weights: the variant that has their sizes")
    parser.add_argument("--revision", help="branch, tag or commit on the hub")
    parser.add_argument("--trust-code", action="store_true", help="import package.module:Class that the model names")
    return parser


def _examples(complete: CompleteModel, options: argparse.Namespace) -> Examples:
    from swarmformer.cli.examples import of_file, of_task
    from swarmformer.export.folder import Examples
    from swarmformer.pipeline import TextClassifier

    if options.file is None and not options.task:
        return Examples.of(complete)
    model = TextClassifier(complete, "cpu", "fp32")
    if options.file is not None:
        asked = of_file(model, options.file, options.text, options.label, form_asked(options))
    else:
        asked = of_task(model, options.task, options.split, options.trust_code)
    found = list(asked.examples)
    if not found:
        raise UsageError(f"{asked.words} has no examples")
    return Examples.of(complete, [one.text for one in found], [one.label for one in found])


def _lines(record: dict[str, Any], out: Path) -> Iterator[str]:
    """What is printed."""
    size = record["bytes"][record["file"]]
    yield f"{out / record['file']}: {size:,} bytes, of {record['weights_bytes']:,} of weights"
    for what, found in record["checks"].items():
        yield (
            f"{what} ({found['texts']:,}): logits differ by {found['difference']:.2g} at most from the model's, "
            f"{found['by_padding']:.2g} by padding; {100 * found['same_labels']:.2f} % get the same label"
        )
    if record["accuracy"] is not None:
        shares = ", ".join(f"{name} {share:.4f}" for name, share in record["accuracy"].items() if name != "texts")
        yield f"accuracy on {record['accuracy']['texts']:,} texts: {shares}"
    for row in record["speed"]:
        yield (
            f"{row['arm']:16} {row['batch']:3} × {row['length']} tokens: {1000 * row['median_s']:8.2f} ms "
            f"[p20 {1000 * row['p20_s']:.2f}, p80 {1000 * row['p80_s']:.2f}, p95 {1000 * row['p95_s']:.2f}], "
            f"{row['batch'] / row['median_s']:,.0f} texts/s"
        )
    yield f"{record['threads']} thread{'s' * (record['threads'] != 1)}, {record['machine']['cpu']}"

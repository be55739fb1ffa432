"""The card of a model (``README.md``), written from the numbers of its own run."""

from __future__ import annotations

from typing import Any

import yaml
from scipy.stats import binomtest

from swarmformer.data.task import Task
from swarmformer.records import Result
from swarmformer.spec import RunSpec

LIBRARY = "swarmformer"
SHOWN = ("accuracy", "precision", "recall", "f1", "loss", "n")
FEW = 20
"""Classes that are listed by name."""


def card_of(spec: RunSpec, task: Task, result: Result) -> str:
    """Markdown with the hub's front matter."""
    about = (_what(spec, task, result), _figures(task, result), _limits(spec, task, result))
    return "\n\n".join((_front(spec, result), *about, _use())) + "\n"


def _front(spec: RunSpec, result: Result) -> str:
    test = result.metrics.test
    metrics = [{"type": name, "value": getattr(test, name)} for name in ("accuracy", "f1")]
    found = {
        "task": {"type": "text-classification"}, "metrics": metrics,
        "dataset": {"name": result.task, "type": result.task, "split": "test"},
    }  # fmt: skip
    front = {
        "library_name": LIBRARY, "pipeline_tag": "text-classification", "tags": [LIBRARY, "model_hub_mixin"],
        "model-index": [{"name": f"{result.arm}, seed {result.seed}", "results": [found]}],
    }  # fmt: skip
    return f"---\n{yaml.safe_dump(front, sort_keys=False, allow_unicode=True)}---"


def _what(spec: RunSpec, task: Task, result: Result) -> str:
    dims, names = spec.model.dims, list(task.class_names)
    shown = ", ".join(f"`{name}`" for name in names[:FEW]) + (f", … ({len(names)})" if len(names) > FEW else "")
    parameters = result.parameters
    return (
        f"# {result.arm}, trained on {result.task}\n\n"
        f"A model of the library `{LIBRARY}`: `{spec.model.name}`, variant `{result.variant}`, "
        f"{parameters.total:,} parameters, {parameters.without_embedding:,} of them without the embedding table; width "
        f"{dims.d_model}, {dims.num_layers} layer{'s' * (dims.num_layers > 1)}, texts of up to {dims.seq_len} tokens. "
        f"Classes: {shown}."
    )


def _figures(task: Task, result: Result) -> str:
    average = "of the second class" if task.num_classes == 2 else "macro means over classes"
    rows = [
        f"| {split} | " + " | ".join(_shown(name, getattr(metrics, name)) for name in SHOWN) + " |"
        for split, metrics in (("validation", result.metrics.validation), ("test", result.metrics.test))
    ]
    test = result.metrics.test
    right = round(test.accuracy * test.n)
    interval = binomtest(right, test.n).proportion_ci(method="wilson")
    head = ["| split | " + " | ".join(SHOWN) + " |", "|---" * (len(SHOWN) + 1) + "|"]
    return "\n".join([
        "## Figures", "", *head, *rows, "",
        f"Precision, recall and F1 are {average}. 95 % interval of the test accuracy over its {test.n:,} answers "
        f"(Wilson): {interval.low:.4f} to {interval.high:.4f}. It says nothing of other seeds: this is seed "
        f"{result.seed} alone, its weights those of epoch {result.best_epoch} of {result.epochs}, chosen by "
        f"validation; the test split was read {_times(result.test_readings)}.",
    ])  # fmt: skip


def _limits(spec: RunSpec, task: Task, result: Result) -> str:
    examples = result.data.examples if result.data else {}
    cut = result.truncated
    lines = [
        f"Learned from the {examples.get('train', 0):,} training texts of task `{result.task}` and nothing else"
        + (" (and texts without labels)" if result.unlabelled else "")
        + "; on other kinds of text, other languages or other years its figures do not hold.",
        f"Texts of more than {spec.model.dims.seq_len} tokens are cut ({spec.data.cut}): {cut.test:,} of the "
        f"{examples.get('test', result.metrics.test.n):,} test texts were, {cut.train:,} of train.",
        "Probabilities are those of the softmax, not calibrated: `swarmformer evaluate` shows how far they can be "
        "believed.",
        "It always answers with one of its classes, whatever it is asked"
        + ("." if task.vocabulary is None else "; its texts are tokens of the task joined by spaces, and no others."),
        *_copies(result),
    ]
    made = f"Run `{result.run_key}`, seed {result.seed}, code `{result.code}`, {result.precision or 'fp32'}"
    return "\n".join(["## Limits", "", *(f"- {line}" for line in lines), "", f"{made}, on {result.device}."])


def _copies(result: Result) -> list[str]:
    shared = result.data.shared.get("train in test") if result.data else None
    if shared is None or not (shared.exact or shared.normalised):
        return []
    dropped = f", of which {result.data.dropped:,} were left out" if result.data and result.data.dropped else ""
    return [f"{shared.normalised:,} texts of train also stand in test{dropped}."]


def _use() -> str:
    return (
        '## Use\n\n```python\nimport swarmformer\n\nclassify = swarmformer.load("FOLDER or OWNER/NAME")\n'
        'print(classify(["a text"]))\n```\n\n```bash\nswarmformer predict FOLDER "a text"\n'
        "swarmformer evaluate FOLDER\n```"
    )


def _shown(name: str, value: Any) -> str:
    return f"{value:,}" if name == "n" else f"{value:.4f}"


def _times(readings: int | None) -> str:
    return {None: "a number of times that was not recorded", 1: "once"}.get(readings, f"{readings} times")

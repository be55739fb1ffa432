"""The card of a model (``README.md``), written from the numbers of its own run."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import yaml

from swarmformer.data.task import Task
from swarmformer.records import Result
from swarmformer.scores import wilson_interval
from swarmformer.spec import RunSpec

LIBRARY = "swarmformer"
SHOWN = {**dict.fromkeys(("accuracy", "precision", "recall", "f1", "loss"), ".4f"), "n": ",d"}
"""Metrics, and how they are written."""
FEW = 20
"""Classes that are listed by name."""


def card_of(spec: RunSpec, task: Task, result: Result) -> str:
    """Markdown with the hub's front matter."""
    about = (_what(spec, task, result), _figures(task, result), _limits(spec, task, result))
    front = front_of(result, "text-classification", ("accuracy", "f1"))
    return "\n\n".join((front, *about, USE)) + "\n"


def front_of(result: Result, task: str, metrics: Iterable[str]) -> str:
    """The hub's front matter, with figures of the test split."""
    test = result.metrics.test
    found = {
        "task": {"type": task}, "metrics": [{"type": name, "value": getattr(test, name)} for name in metrics],
        "dataset": {"name": result.task, "type": result.task, "split": "test"},
    }  # fmt: skip
    front = {
        "library_name": LIBRARY, "pipeline_tag": task, "tags": [LIBRARY, "model_hub_mixin"],
        "model-index": [{"name": f"{result.arm}, seed {result.seed}", "results": [found]}],
    }  # fmt: skip
    return f"---\n{yaml.safe_dump(front, sort_keys=False, allow_unicode=True)}---"


def figures_of(result: Result, shown: Mapping[str, str], words: str) -> str:
    """A section with the metrics of ``shown``, in its formats, of validation and test, and words below."""
    rows = [
        f"| {split} | " + " | ".join(format(getattr(metrics, name), how) for name, how in shown.items()) + " |"
        for split, metrics in (("validation", result.metrics.validation), ("test", result.metrics.test))
    ]
    head = ["| split | " + " | ".join(shown) + " |", "|---" * (len(shown) + 1) + "|"]
    return "\n".join(["## Figures", "", *head, *rows, "", words])


def limits_of(result: Result, lines: Iterable[str]) -> str:
    """A section with a line for each limit, and where the model came from."""
    made = f"Run `{result.run_key}`, seed {result.seed}, code `{result.code}`, {result.precision or 'fp32'}"
    return "\n".join(["## Limits", "", *(f"- {line}" for line in lines), "", f"{made}, on {result.device}."])


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
    test = result.metrics.test
    low, high = wilson_interval(round(test.accuracy * test.n), test.n)
    words = (
        f"Precision, recall and F1 are {average}. 95 % interval of the test accuracy over its {test.n:,} answers "
        f"(Wilson): {low:.4f} to {high:.4f}. It says nothing of other seeds: this is seed "
        f"{result.seed} alone, its weights those of epoch {result.best_epoch} of {result.epochs}, chosen by "
        f"validation; the test split was read {_times(result.test_readings)}."
    )
    return figures_of(result, SHOWN, words)


def _limits(spec: RunSpec, task: Task, result: Result) -> str:
    examples = result.data.examples if result.data else {}
    cut = result.truncated
    lines = [
        f"Learned from the {examples.get('train', 0):,} training texts of task `{result.task}` and nothing else"
        + (" (and texts without labels)" if result.unlabelled else "")
        + (", but for the weights of trunk and channel, two numbers fitted to validation" if _weighed(spec) else "")
        + "; on other kinds of text, other languages or other years its figures do not hold.",
        f"Texts of more than {spec.model.dims.seq_len} tokens are cut ({spec.data.cut}): {cut.test:,} of the "
        f"{examples.get('test', result.metrics.test.n):,} test texts were, {cut.train:,} of train.",
        "Probabilities are those of the softmax, not calibrated: `swarmformer evaluate` shows how far they can be "
        "believed.",
        "It always answers with one of its classes, whatever it is asked"
        + ("." if task.vocabulary is None else "; its texts are tokens of the task joined by spaces, and no others."),
        *_copies(result),
    ]
    return limits_of(result, lines)


def _weighed(spec: RunSpec) -> bool:
    return bool(spec.train.of_stage(spec.train.stages[-1]).objective.options.get("weigh"))


def _copies(result: Result) -> list[str]:
    shared = result.data.shared.get("train in test") if result.data else None
    if shared is None or not (shared.exact or shared.normalised):
        return []
    dropped = f", of which {result.data.dropped:,} were left out" if result.data and result.data.dropped else ""
    return [f"{shared.normalised:,} texts of train also stand in test{dropped}."]


def _times(readings: int | None) -> str:
    return {None: "a number of times that was not recorded", 1: "once"}.get(readings, f"{readings} times")


USE = """## Use

```python
import swarmformer

classify = swarmformer.load("FOLDER or OWNER/NAME")
print(classify(["a text"]))
```

```bash
swarmformer predict FOLDER "a text"
swarmformer evaluate FOLDER
```"""

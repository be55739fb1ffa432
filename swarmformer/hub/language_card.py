"""The card of a language model, written from the numbers of its own run."""

from __future__ import annotations

from typing import Any

import yaml

from swarmformer.records import Result
from swarmformer.spec import RunSpec

SHOWN = {"perplexity": ",.2f", "bits_per_byte": ".4f", "loss": ".4f", "accuracy": ".4f", "n": ",d"}


def language_card(spec: RunSpec, result: Result) -> str:
    """Markdown with the hub's front matter."""
    parts = (_front(result), _what(spec, result), _figures(result), _limits(spec, result), USE)
    return "\n\n".join(parts) + "\n"


def _front(result: Result) -> str:
    metrics = [{"type": name, "value": getattr(result.metrics.test, name)} for name in ("perplexity", "bits_per_byte")]
    found: dict[str, Any] = {
        "task": {"type": "text-generation"}, "metrics": metrics,
        "dataset": {"name": result.task, "type": result.task, "split": "test"},
    }  # fmt: skip
    front = {
        "library_name": "swarmformer", "pipeline_tag": "text-generation", "tags": ["swarmformer", "model_hub_mixin"],
        "model-index": [{"name": f"{result.arm}, seed {result.seed}", "results": [found]}],
    }  # fmt: skip
    return f"---\n{yaml.safe_dump(front, sort_keys=False, allow_unicode=True)}---"


def _what(spec: RunSpec, result: Result) -> str:
    dims, task = spec.model.dims, spec.data.task.options
    return (
        f"# {result.arm}, a language model\n\nA model of the library `swarmformer`: `{spec.model.name}`, variant "
        f"`{result.variant}`, {result.parameters.total:,} parameters; width {dims.d_model}, {dims.num_layers} layers, "
        f"windows of {dims.seq_len} tokens of {dims.vocab_size:,} kinds. Corpus: `{task.get('corpus', '')}`."
    )


def _figures(result: Result) -> str:
    rows = [
        f"| {split} | " + " | ".join(format(getattr(metrics, name), how) for name, how in SHOWN.items()) + " |"
        for split, metrics in (("validation", result.metrics.validation), ("test", result.metrics.test))
    ]
    return "\n".join([
        "## Figures", "", "| split | " + " | ".join(SHOWN) + " |", "|---" * (len(SHOWN) + 1) + "|", *rows, "",
        "Perplexity is that of a token, of which `n` were predicted, ends of documents among them; bits per byte "
        f"are of the text. Seed {result.seed} alone, with the weights of epoch {result.best_epoch} of {result.epochs}, "
        "chosen by validation.",
    ])  # fmt: skip


def _limits(spec: RunSpec, result: Result) -> str:
    stride = spec.data.task.options.get("stride")
    past = f"begin {stride} tokens apart" if stride else "lie side by side"
    lines = [
        "It writes what is likely after what it has read, and knows nothing of what is true.",
        f"Windows of the test text {past}; a token is predicted from what stands before it in its window.",
    ]
    if spec.model.options.get("published"):
        lines.append("It sees the tokens that it predicts, as the published package does: its figures say nothing of "
                     "predicting.")  # fmt: skip
    made = f"Run `{result.run_key}`, seed {result.seed}, code `{result.code}`, {result.precision or 'fp32'}, on " \
           f"{result.device}."  # fmt: skip
    return "\n".join(["## Limits", "", *(f"- {line}" for line in lines), "", made])


USE = """## Use

```python
import swarmformer

writer = swarmformer.load("FOLDER or OWNER/NAME")
print(writer.generate("Once", max_length=200, temperature=0.8, top_p=0.9, seed=0))
```

```bash
swarmformer generate FOLDER "Once"
```"""

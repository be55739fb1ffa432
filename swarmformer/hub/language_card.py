"""The card of a language model, written from the numbers of its own run."""

from __future__ import annotations

from swarmformer.hub.card import LIBRARY, figures_of, front_of, limits_of
from swarmformer.records import Result
from swarmformer.spec import RunSpec

SHOWN = {"perplexity": ",.2f", "bits_per_byte": ".4f", "loss": ".4f", "accuracy": ".4f", "n": ",d"}


def language_card(spec: RunSpec, result: Result) -> str:
    """Markdown with the hub's front matter."""
    front = front_of(result, "text-generation", ("perplexity", "bits_per_byte"))
    return "\n\n".join((front, _what(spec, result), _figures(result), _limits(spec, result), USE)) + "\n"


def _what(spec: RunSpec, result: Result) -> str:
    dims, task = spec.model.dims, spec.data.task.options
    return (
        f"# {result.arm}, a language model\n\nA model of the library `{LIBRARY}`: `{spec.model.name}`, variant "
        f"`{result.variant}`, {result.parameters.total:,} parameters; width {dims.d_model}, {dims.num_layers} layers, "
        f"windows of {dims.seq_len} tokens of {dims.vocab_size:,} kinds. Corpus: `{task.get('corpus', '')}`."
    )


def _figures(result: Result) -> str:
    words = (
        "Perplexity is that of a token, of which `n` were predicted, ends of documents among them; bits per byte "
        f"are of the text. Seed {result.seed} alone, with the weights of epoch {result.best_epoch} of {result.epochs}, "
        "chosen by validation."
    )
    return figures_of(result, SHOWN, words)


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
    return limits_of(result, lines)


USE = """## Use

```python
import swarmformer

writer = swarmformer.load("FOLDER or OWNER/NAME")
print(writer.generate("Once", max_length=200, temperature=0.8, top_p=0.9, seed=0))
```

```bash
swarmformer generate FOLDER "Once"
```"""

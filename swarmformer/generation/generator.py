"""A language model with its tokenizer: goes on from a text."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from swarmformer.contracts import Cache, Metrics
from swarmformer.data.batching import Batches
from swarmformer.data.encode import check_text
from swarmformer.data.encoded import Split
from swarmformer.data.running_text import boundary_id, windows_of
from swarmformer.data.task import RawSplit
from swarmformer.data.tokenizer import UNKNOWN, special_ids
from swarmformer.environment import resolve_device
from swarmformer.errors import DataError, SpecError
from swarmformer.generation.sampling import Sampling
from swarmformer.hub import CompleteModel
from swarmformer.hub.pretrained import Pretrained
from swarmformer.training.evaluate import next_token_metrics

UNFINISHED = "\ufffd"
"""What stands for bytes that are no character yet."""
LONGEST = 4
"""Bytes of a character in UTF-8, and so its tokens, at most."""
LEAST_SEED, LARGEST_SEED = -(1 << 63), (1 << 64) - 1
"""That torch takes."""


class TextGenerator(Pretrained, pipeline_tag="text-generation"):
    """A language model in eval mode and the tokenizer that it was trained with; ``swarmformer.load`` gives it.

    ``save_pretrained``, ``from_pretrained`` and ``push_to_hub`` are huggingface_hub's. A text longer than the model's
    ``seq_len`` goes on from its second half: whenever the window is full, what the model sees begins anew with its last
    seq_len / 2 tokens.

    Args:
        device: ``auto`` (CUDA where there is one), ``cpu``, ``cuda`` or ``cuda:N``.

    Raises:
        SpecError: the model gives no next token, or was saved without its tokenizer.
    """

    def __init__(self, complete: CompleteModel, device: str = "auto") -> None:
        model = complete.model
        if not model.per_token or model.dims.num_classes != model.dims.vocab_size:
            raise SpecError("this model tells no next token: it was trained for another task than language_model")
        if complete.text is None:
            raise SpecError("this model has no tokenizer.json beside it: put that of its training there")
        self.complete, self.tokenizer = complete, complete.text.tokenizer
        self.device, self.seq_len = resolve_device(device), model.dims.seq_len
        self.model = model.to(self.device).eval()
        self.precision = "fp32"
        self.boundary = boundary_id(self.tokenizer)
        self.before = () if model.foresees else (self.boundary,)
        """What stands before every text; the published Lumenspark puts nothing there."""
        never = {*special_ids(self.tokenizer), self.tokenizer.token_to_id(UNKNOWN)} - {self.boundary, None}
        self.never = torch.tensor(sorted(never), dtype=torch.int64, device=self.device)
        """Special tokens are no text; the boundary ends it."""

    def generate(self, prompt: str = "", **options: Any) -> str:
        """The prompt and how it goes on; options as of ``stream``."""
        return prompt + "".join(self.stream(prompt, **options))

    def stream(
        self,
        prompt: str = "",
        *,
        max_length: int = 200,
        temperature: float = 1.0,
        top_k: int = 0,
        top_p: float = 1.0,
        repetition_penalty: float = 1.0,
        seed: int | None = None,
        stop: Sequence[str] = (),
        use_cache: bool = True,
    ) -> Iterator[str]:
        """How the prompt goes on, piece by piece as it is written.

        Args:
            max_length: tokens at most, those of the prompt included, as transformers counts them.
            temperature, top_k, top_p, repetition_penalty: see ``Sampling``.
            seed: of the draws; None draws anew each time.
            stop: texts before which it ends; the end of a document always ends it.
            use_cache: go on from what was computed before, where the model can; the same text, sooner.

        Raises:
            SpecError: a value out of range, or a prompt that leaves no room.
            DataError: a prompt that is no text.
        """
        check_text(prompt, "the prompt")
        sampling = Sampling(temperature, top_k, top_p, repetition_penalty)
        self.tokenizer.encode_special_tokens = True
        given = self.tokenizer.encode(prompt, add_special_tokens=False).ids
        if len(given) >= max_length:
            raise SpecError(f"the prompt has {len(given)} tokens and max_length is {max_length}: raise it")
        if not (given or self.before):
            raise SpecError("this model cannot begin a text: give a prompt")
        if not all(stop):
            raise SpecError("stop: an empty text stands everywhere; leave it out")
        return self._pieces(given, max_length, sampling, _generator(seed), tuple(stop), use_cache)

    def score(self, texts: Sequence[str], *, stride: int = 0, batch_size: int = 64) -> tuple[Metrics, np.ndarray]:
        """How well it predicts texts, each a document of one run of text, as training measures it; and the sum of
        the negative log-likelihoods of each window, in nats, fp64.

        Args:
            stride: how far apart windows begin; 0 for side by side.

        Raises:
            DataError: a text that the tokenizer does not give back, none that has anything in it, or a stride that is
                longer than a window.
        """
        if not any(texts):
            raise DataError("no texts to score, or none but empty ones: give one or more with something in them")
        raw = RawSplit(texts, np.full(len(texts), -1), [f"text {place}" for place in range(len(texts))])
        made = windows_of(raw, "of this model", self.seq_len, stride, self.tokenizer)
        names = np.arange(len(made.questions)).astype(str)
        split = Split(made.ids, made.offsets, made.labels, names, 0, made.questions, made.text_bytes)
        batches = Batches(split, batch_size=batch_size, lengths=(self.seq_len,), pad_id=0, seed=None)
        metrics, losses_M = next_token_metrics(self.model, batches, self.device, self.precision, made.text_bytes)
        return metrics, np.bincount(made.questions.text, losses_M.numpy().astype(np.float64), len(names))

    def _pieces(
        self, given: list[int], max_length: int, sampling: Sampling, draws: torch.Generator, stop: tuple[str, ...],
        use_cache: bool,
    ) -> Iterator[str]:  # fmt: skip
        before = self._last_whole(given)
        text, told, written, known = "", 0, list[int](), len(self._decoded(before))
        for token in self._tokens(given, max_length, sampling, draws, use_cache):
            written.append(token)
            text = self._decoded(before + written)[known:]
            end = min((at for at in map(text.find, stop) if at >= 0), default=-1)
            sure = end if end >= 0 else len(text) - _unsure(text, stop)
            if sure > told:
                yield text[told:sure]
                told = sure
            if end >= 0:
                return
        if text[told:]:
            yield text[told:]

    def _last_whole(self, given: list[int]) -> list[int]:
        """The last of the tokens given, so many that they are whole characters: what goes on is decoded after them, as
        some tokenizers decode the first token of a text without the space before it.
        """
        ends = (given[-size:] for size in range(1, LONGEST + 1))
        return next((end for end in ends if UNFINISHED not in self._decoded(end)), given[-LONGEST:])

    def _decoded(self, ids: list[int]) -> str:
        return self.tokenizer.decode(ids, skip_special_tokens=False)

    @torch.inference_mode()
    def _tokens(
        self, given: list[int], max_length: int, sampling: Sampling, draws: torch.Generator, use_cache: bool
    ) -> Iterator[int]:
        """Tokens after those given, up to the end of the document."""
        ids, ahead = torch.tensor([*self.before, *given], device=self.device), len(self.before)
        cache, start = None, 0
        while len(ids) - ahead < max_length:
            if len(ids) - start > self.seq_len:
                cache, start = None, len(ids) - max(1, self.seq_len // 2)
            if use_cache and cache is None:
                cache = self.model.new_cache()
            logits_V = self._next(ids[start:], cache)
            token = sampling.choose(logits_V, ids[ahead:].cpu(), draws)
            if token == self.boundary:
                return
            yield token
            ids = torch.cat([ids, ids.new_tensor([token])])

    def _next(self, ids_N: Tensor, cache: Cache | None) -> Tensor:
        """logits_V of the token after these, on the CPU; special tokens are out of question."""
        ids_BN = ids_N.unsqueeze(0)
        logits_BNV = self.model(ids_BN) if cache is None else self.model.continued(ids_BN, cache)
        return logits_BNV[0, -1].float().index_fill(0, self.never, -torch.inf).cpu()


def _generator(seed: int | None) -> torch.Generator:
    generator = torch.Generator()
    if seed is None:
        generator.seed()
        return generator
    if not LEAST_SEED <= seed <= LARGEST_SEED:
        raise SpecError(f"seed must be from {LEAST_SEED} to {LARGEST_SEED}: {seed}")
    return generator.manual_seed(seed)


def _unsure(text: str, stop: Sequence[str]) -> int:
    """Characters at the end that may yet change or turn out to begin a stop."""
    open_end = len(text) - len(text.rstrip(UNFINISHED))
    begun = (size for one in stop for size in range(1, len(one)) if text.endswith(one[:size]))
    return max(open_end, max(begun, default=0))

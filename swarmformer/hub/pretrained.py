"""``save_pretrained``, ``from_pretrained`` and ``push_to_hub`` for what a complete model is asked through."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Self

from huggingface_hub import ModelHubMixin

from swarmformer.errors import SpecError
from swarmformer.hub.complete import CompleteModel, save


class Pretrained(ModelHubMixin, library_name="swarmformer"):
    """huggingface_hub's mixin over the folder of a complete model."""

    _hub_mixin_config: dict[str, Any] | None = {}  # the mixin would copy the arguments of the constructor
    complete: CompleteModel

    def _save_pretrained(self, save_directory: Path) -> None:
        save(self.complete, save_directory)

    @classmethod
    def from_pretrained(  # type: ignore[override]
        cls, pretrained_model_name_or_path: str | Path, *, revision: str | None = None, **options: Any
    ) -> Self:
        """``swarmformer.load`` under the name that users of the hub know.

        Raises:
            SpecError: as ``load``; or the model is asked through another class.
        """
        from swarmformer.pipeline import load  # which gives the classes below this one

        loaded = load(pretrained_model_name_or_path, revision=revision, **options)
        if not isinstance(loaded, cls):
            raise SpecError(f"{pretrained_model_name_or_path}: no {cls.__name__} but a {type(loaded).__name__}")
        return loaded

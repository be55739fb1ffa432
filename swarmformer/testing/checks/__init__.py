"""The checks, one module per subject."""

from types import ModuleType

from swarmformer.testing.check import Check
from swarmformer.testing.checks import (
    augmentations,
    clusters,
    costs,
    declared,
    feedbacks,
    gradients,
    inputs,
    models,
    norms,
    numbers,
    objectives,
    optimisers,
    parts,
    pyramids,
    routers,
    stages,
    states,
    stretches,
    tasks,
    text_augmentations,
    texts,
)


def _of(module: ModuleType) -> tuple[Check, ...]:
    return tuple(value for value in vars(module).values() if isinstance(value, Check))


SCHEMA = declared.constructor_is_a_schema
"""The check without which no other can be tried."""

CHECKS = (
    *_of(declared), *_of(inputs), *_of(numbers), *_of(texts), *_of(gradients), *_of(states), *_of(parts),
    *_of(costs), *_of(norms), *_of(routers), *_of(clusters), *_of(feedbacks), *_of(pyramids), *_of(stretches),
    *_of(models), *_of(tasks), *_of(text_augmentations),
    *_of(objectives), *_of(optimisers), *_of(augmentations), *_of(stages),
)  # fmt: skip
"""All checks, in the order they are run and reported."""

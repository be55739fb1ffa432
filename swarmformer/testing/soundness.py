"""The few checks without which results say nothing of a component, quick enough for every plan."""

from __future__ import annotations

from collections.abc import Iterator

from swarmformer.once import kept_by
from swarmformer.spec import ComponentSpec, ModelSpec
from swarmformer.testing.case import Case
from swarmformer.testing.check import Check
from swarmformer.testing.checks.inputs import inputs_are_left_alone
from swarmformer.testing.checks.models import knows_no_later_token
from swarmformer.testing.checks.norms import norm_is_applied_inside
from swarmformer.testing.checks.parts import a_text_trains_the_same_alone_and_in_a_batch, losses_of_texts_add_up
from swarmformer.testing.checks.states import state_dict_round_trip
from swarmformer.testing.checks.texts import (
    one_text_is_the_same_alone_and_in_a_batch,
    one_text_is_the_same_alone_and_padded,
    pads_do_not_touch_real_tokens,
)
from swarmformer.testing.outcome import Status
from swarmformer.testing.variant import checks_of_variant

DECISIVE = (
    inputs_are_left_alone,
    pads_do_not_touch_real_tokens,
    one_text_is_the_same_alone_and_in_a_batch,
    one_text_is_the_same_alone_and_padded,
    norm_is_applied_inside,
    knows_no_later_token,
    a_text_trains_the_same_alone_and_in_a_batch,
    losses_of_texts_add_up,
    state_dict_round_trip,
)


def unsound_parts(spec: ModelSpec) -> Iterator[str]:
    """A remark on every part that is not built in and fails a decisive check, or says that pads reach its result.

    Parts are tried at the kit's small sizes with the options of ``spec``, each in a fraction of a second.
    """
    parts = (*spec.slots.values(), *([] if spec.channel is None else [spec.channel]))
    for part in parts:
        if not _is_built_in(part):
            yield from _remarks_on(part)
    model = ComponentSpec(slot="model", name=spec.name, options=spec.options)
    if not _is_built_in(model):
        yield from _remarks(model, _checks_of_model(spec))


def _is_built_in(part: ComponentSpec) -> bool:
    """Whether the tests of this library hold it to its contract."""
    return part.part.__module__.startswith("swarmformer.")


@kept_by(lambda part: part.model_dump_json())
def _remarks_on(part: ComponentSpec) -> tuple[str, ...]:
    case = _case(part)
    return tuple(_remarks(part, [(check, case) for check in DECISIVE if part.slot in check.slots]))


def _case(part: ComponentSpec) -> Case:
    """With its options; with its defaults where these want greater sizes, as many heads do."""
    case = Case(part.part, part.slot, part.options)
    try:
        case.make()
    except Exception:  # a component may refuse sizes in any way
        return Case(part.part, part.slot)
    return case


def _checks_of_model(spec: ModelSpec) -> list[tuple[Check, Case]]:
    """None where it refuses small sizes: the plan has built it at its own."""
    try:
        tried = [(check, case) for check, case in checks_of_variant(spec) if check in DECISIVE]
        return sorted(tried, key=lambda pair: DECISIVE.index(pair[0]))
    except Exception:  # in any way
        return []


def _remarks(part: ComponentSpec, tried: list[tuple[Check, Case]]) -> Iterator[str]:
    outcomes = [check.run(case) for check, case in tried]
    failed = [outcome.check for outcome in outcomes if outcome.status is Status.FAILED]
    if failed:
        named = part.name if ":" in part.name else f"{part.slot}.{part.name}"
        checks = f"{len(failed)} of its contract's checks" if len(failed) > 1 else "a check of its contract"
        yield f"{part.slot}: fails {checks} ({', '.join(failed)}): swarmformer check {named}"
    elif any(outcome.status is Status.EXPECTED_FAILURE for outcome in outcomes):
        yield f"{part.slot}: pads reach its result, as it says (honours_mask = False)"

"""Claims about what the models are: what they see, gates, clusters, parameters, memory at length, leaks."""

from __future__ import annotations

from ..words import engineering, percent, three
from .decide import (
    Causal,
    FewerParameters,
    FitsMemory,
    HonoursMask,
    NoGate,
    PyramidDepth,
    SavingWithoutLayers,
    SeesOrder,
    TokenClusterTerm,
)
from .finding import MEASURED, NO_PROPERTIES, Context, Finding, Ruling, either, listed
from .properties import Properties

BLIND = 1e-9
"""Of the change that another order makes, in float64: below it only rounding is left."""
CHANGES = ("reversal", "rotation by a cluster")
CONTRASTS = ("base+windowed", "base+positions")


def sees_order(context: Context, rule: SeesOrder) -> Finding:
    """Refuted where none of the variants sees a reversal or a rotation, though another order does change the logits."""
    found = context.properties
    if found is None:
        return NO_PROPERTIES
    seen = [_sees(found, variant, change) for variant in rule.variants for change in CHANGES]
    figures = listed(_order(found, variant) for variant in (*rule.variants, *CONTRASTS))
    if all(seen):
        return Finding(Ruling.CONFIRMED, figures, "both change the logits", MEASURED)
    why = "reversing the text, or rotating it by a cluster, leaves every logit as it was but for rounding"
    return Finding(Ruling.NOT_CONFIRMED if any(seen) else Ruling.REFUTED, figures, why, MEASURED)


def _sees(found: Properties, variant: str, change: str) -> bool:
    return found.changed(variant, change, "float64") > BLIND * found.changed(variant, "shuffle", "float64")


def _order(found: Properties, variant: str) -> str:
    """Largest change of a logit in double and single precision."""
    each = [
        f"{change} {found.changed(variant, change, 'float64'):.1g} ({found.changed(variant, change, 'float32'):.1g})"
        for change in (*CHANGES, "shuffle")
    ]
    return f"{variant}: logits change in float64 (float32) by {', '.join(each)}"


def no_gate(context: Context, rule: NoGate) -> Finding:
    """Refuted where the feedback of every variant has gate parameters, and holding the gates open changes logits."""
    rows = [row for row in (context.properties.gates if context.properties else ()) if row.variant in rule.variants]
    if not rows:
        return NO_PROPERTIES
    gated = [row.parameters > 0 and row.difference_held_open > 0 for row in rows]
    figures = listed(
        f"{row.variant}: {row.parameters:,} gate parameters, mean opening {row.mean_opening:.2f} (random weights), "
        f"held open the logits change by {row.difference_held_open:.2g}"
        for row in rows
    )
    why = "the original has a gate; the enhancement is a residual MLP in place of a single linear map"
    ruling = Ruling.REFUTED if all(gated) else Ruling.NOT_CONFIRMED if any(gated) else Ruling.CONFIRMED
    return Finding(ruling, figures, why if all(gated) else "not all have a gate that matters", MEASURED)


def token_cluster_term(context: Context, rule: TokenClusterTerm) -> Finding:
    """Refuted where no operation is between tokens and clusters."""
    rows = context.properties.flops if context.properties else ()
    row = next((row for row in rows if row.variant == rule.variant), None)
    if row is None:
        return NO_PROPERTIES
    names = {"local": "local", "feedback": "broadcast", "cluster": "cluster attention", "router": "tokens to clusters"}
    shares = ", ".join(f"{name} {100 * row.by_slot[slot] / row.total:.0f} %" for slot, name in names.items())
    figures = f"{engineering(row.total)}FLOP at {row.length:,} tokens: {shares}"
    none = row.by_slot["router"] == 0
    why = "clusters are chunks, so that no token attends to a cluster; the cost is O(N·d²) + O(C²·d)"
    return Finding(either(not none), figures, why if none else "there are such operations", MEASURED)


def pyramid_depth(context: Context, rule: PyramidDepth) -> Finding:
    """Confirmed where a pyramid with the published number of layers gets to a quarter of its clusters."""
    rows, depth = (context.properties.pyramids if context.properties else ()), context.published.number(rule.layers)
    mine = [row for row in rows if row.layers == depth.plain]
    if not mine:
        return NO_PROPERTIES
    figures = listed(
        f"{row.variant}, {row.layers} layers: {', '.join(f'{count:,}' for count in row.clusters)}" for row in rows
    )
    reaches = all(4 * row.clusters[-1] <= row.clusters[0] + 3 for row in mine)
    why = f"with the published {depth.text} layers C/4 {'occurs' if reaches else 'never occurs; it takes three'}"
    return Finding(either(reaches), figures, why, (*MEASURED, depth.source))


def fewer_parameters(context: Context, rule: FewerParameters) -> Finding:
    """Whether the two counts, ours as counted, give the printed share."""
    found = context.properties
    number, ours, theirs = (context.published.number(key) for key in rule.numbers)
    size = next((row for row in (found.parameters if found else ()) if row.variant == ours.model), None)
    bert = next((row for row in (found.bert if found else ()) if row.variant == theirs.model), None)
    if size is None or bert is None:
        return NO_PROPERTIES
    saved, table = 1 - size.total / theirs.plain, size.total - size.without_embedding
    figures = (
        f"{size.total:,} of {theirs.text}: {percent(saved)} % fewer; {table:,} of them are the embedding table; "
        f"without the tables {size.without_embedding:,} of {bert.without_embedding:,}: "
        f"{percent(1 - size.without_embedding / bert.without_embedding)} % fewer"
    )
    agrees = abs(saved - number.plain) <= number.half_step
    sources = (*MEASURED, *(one.source for one in (number, ours, theirs)))
    return Finding(either(agrees), figures, "the count holds; what it is owed to is another claim", sources)


def saving_without_layers(context: Context, rule: SavingWithoutLayers) -> Finding:
    """Refuted where most of the parameters are the table of tokens: a model without any layer saves as much."""
    rows, theirs = (context.properties.parameters if context.properties else ()), context.published.number(rule.theirs)
    ours = next((row for row in rows if row.variant == rule.variant), None)
    bare = next((row for row in rows if row.variant.startswith("bag_of_embeddings")), None)
    if ours is None or bare is None:
        return NO_PROPERTIES
    share = 1 - ours.without_embedding / ours.total
    figures = (
        f"{100 * share:.0f} % of the parameters are the embedding table; a bag of embeddings of that width, "
        f"without any layer, has {bare.total:,}: {percent(1 - bare.total / theirs.plain)} % fewer than {theirs.text}"
    )
    why = "the size is that of the table: its width sets it, not the layers" if share > 0.5 else "most is in the layers"
    return Finding(either(share <= 0.5), figures, why, (*MEASURED, theirs.source))


def fits_memory(context: Context, rule: FitsMemory) -> Finding:
    """Refuted for the published arithmetic where one score matrix takes more than the stated memory."""
    number, stated = context.published.number(rule.number), context.published.number(rule.memory)
    found = context.properties
    rows = [row for row in (found.scores if found else ()) if row.variant == rule.variant]
    longest = next((row for row in (found.longest if found else ()) if row.variant == rule.variant), None)
    asked = next((row for row in rows if row.length == number.plain), None)
    if asked is None or longest is None:
        return NO_PROPERTIES
    figures = listed((
        *(f"score matrix at {row.length:,} tokens {three(row.bytes / 1e12)} TB" for row in rows),
        f"longest text whose matrix alone fits into our {longest.memory_bytes / 1e9:.1f} GB: {longest.length:,} tokens",
    ))  # fmt: skip
    fits = asked.bytes <= stated.plain
    why = f"the published code writes the matrix out: more than the stated {stated.text}. A fused kernel would not"
    sources = (*MEASURED, number.source, stated.source)
    return Finding(
        Ruling.NOT_CONFIRMED if fits else Ruling.REFUTED, figures, "it would fit; not run" if fits else why, sources
    )


def causal(context: Context, rule: Causal) -> Finding:
    """Refuted where the last token changes earlier logits."""
    rows = context.properties.leaks if context.properties else ()
    row = next((row for row in rows if row.variant == rule.variant), None)
    if row is None:
        return NO_PROPERTIES
    figures = (
        f"another last token of {row.length} changes the logits at {row.earlier_changed} of {row.length - 1} earlier "
        f"positions, by {row.least_earlier:.1g} to {row.largest_earlier:.1g} (at the last by {row.last:.1g})"
    )
    why = "keys and values mix all positions, so that later tokens leak" if row.earlier_changed else "nothing leaks"
    return Finding(either(row.earlier_changed == 0), figures, why, MEASURED)


def honours_mask(context: Context, rule: HonoursMask) -> Finding:
    """Refuted where pads change the logits of real tokens beyond rounding."""
    rows = {row.variant: row for row in (context.properties.pads if context.properties else ())}
    row = rows.get(rule.variant)
    if row is None:
        return NO_PROPERTIES
    masked = row.difference <= BLIND
    figures = f"pads after {row.real} tokens, up to {row.padded}, change their logits by {row.difference:.1g}"
    why = "pads change nothing" if masked else "the mask is ignored: pads are tokens like any other"
    return Finding(either(masked), figures, why, MEASURED)

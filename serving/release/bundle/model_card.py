"""The model card of a release, as JSON and as Markdown: what it is for, how good, and its limits.

The sections are those of Mitchell et al., Model Cards for Model Reporting, 2019 (arXiv:1810.03993),
as far as anything is known for them.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from serving.release.bundle.facts import ReleaseFacts
from serving.release.bundle.measured import Measured
from serving.release.markdown import number, table

STEPS_SHOWN = 6
NOT_TOLD = "Not stated."


def card_json(
    facts: ReleaseFacts,
    told: Mapping[str, Any],
    measured: Measured,
    *,
    purpose: str,
    limits: str,
) -> dict[str, Any]:
    """The card.

    Args:
        facts: What the release is.
        told: What its service answers at ``/model``.
        measured: What the evaluation measured.
        purpose: What the model is for.
        limits: What it is not for.
    """
    return {
        **told,
        "image_digest": facts.image_digest,
        "purpose": purpose,
        "limits_of_use": limits,
        "git_commit": facts.git_commit,
        "registered": facts.registered.isoformat(),
        "released": facts.released.isoformat(),
        "evaluation": json.loads(measured.model_dump_json()),
    }


def card_markdown(card: Mapping[str, Any], measured: Measured) -> str:
    """The card for people."""
    model = card["model"]
    sections = {
        f"# {model['name']}, version {model['version']}": [card["purpose"] or NOT_TOLD],
        "## Limits": [*_limits(card)],
        "## Data": [*_data(card)],
        "## Figures": [*_figures(measured)],
        "## Slices": [*_slices(measured)],
        "## Inputs": [*_inputs(card)],
        "## Where it came from": [*_origin(card)],
        "## Contact": [card["support_contact"] or NOT_TOLD],
    }
    return "\n\n".join("\n".join([title, "", *lines]) for title, lines in sections.items()) + "\n"


def _limits(card: Mapping[str, Any]) -> Iterator[str]:
    yield card["limits_of_use"] or NOT_TOLD
    yield ""
    yield (
        "Outside the ranges under Inputs the model has seen nothing: it answers, and its service "
        "counts such numbers in `/metrics`."
    )
    if forecast := card["forecast"]:
        yield (
            f"It forecasts {forecast['horizon']} steps of {forecast['step']} from at least "
            f"{forecast['lookback']} steps of history, and nothing further."
        )


def _data(card: Mapping[str, Any]) -> Iterator[str]:
    if training := card["training"]:
        span = f", from {training['start']} to {training['end']}" if training["start"] else ""
        yield f"- fitted to {training['rows']:,} rows{span}"
    yield f"- data version `{card['data_version']}`, the hash of the rows"


def _figures(measured: Measured) -> Iterator[str]:
    rows = measured.rows
    # Rows without a time are dated in 1970.
    is_dated = {rows.first.year, rows.last.year} != {1970}
    span = f" from {rows.first:%Y-%m-%d} to {rows.last:%Y-%m-%d}" if is_dated else ""
    yield f"Measured on {rows.compared:,} rows{span} that it was not fitted to; the baselines on"
    yield "the same rows. A skill of 1 is a perfect model, one of 0 is no better than the baseline."
    yield ""
    columns = {"model": measured.metrics, **measured.baselines}
    cells = [
        [name, *(number(scores.get(name)) for scores in columns.values())]
        for name in measured.metrics
    ]
    yield from table(["", *columns], cells, numbers=True)


def _slices(measured: Measured) -> Iterator[str]:
    if measured.entities:
        yield "Errors in units of the target's spread in training, for each entity:"
        yield ""
        cells = [
            [one.entity, str(one.rows), number(one.mae_scaled), number(one.mse_scaled)]
            for one in measured.entities
        ]
        yield from table(["entity", "rows", "mean absolute", "mean squared"], cells, numbers=True)
        yield from _by_step(measured)
    elif measured.confusion:
        yield "Rows of each true class by the class that was predicted:"
        yield ""
        cells = [
            [name, *map(str, row), number(_share(row, position))]
            for position, (name, row) in enumerate(
                zip(measured.classes, measured.confusion, strict=True)
            )
        ]
        yield from table(["true class", *measured.classes, "found"], cells, numbers=True)
    else:
        yield "None were measured."


def _by_step(measured: Measured) -> Iterator[str]:
    if not (steps := measured.steps.get("candidate")):
        return
    errors = steps.mae_scaled
    shown = sorted({round(n * (len(errors) - 1) / (STEPS_SHOWN - 1)) for n in range(STEPS_SHOWN)})
    yield ""
    yield "Mean absolute error by step ahead:"
    yield ""
    cells = [[str(step + 1), number(errors[step])] for step in shown]
    yield from table(["step", "error"], cells, numbers=True)


def _inputs(card: Mapping[str, Any]) -> Iterator[str]:
    cells = [
        [one["name"], *map(number, one["training_range"] or (None, None))] for one in card["inputs"]
    ]
    yield from table(["column", "lowest in training", "highest"], cells, numbers=True)


def _origin(card: Mapping[str, Any]) -> Iterator[str]:
    yield f"- image `{card['image_digest']}`"
    yield f"- model `{card['digest']}`, the sha256 of its `model.json`"
    yield f"- estimator {card['estimator']}, code of commit `{card['git_commit'] or 'unknown'}`"
    yield f"- registered {card['registered'][:10]}, released {card['released'][:10]}"
    yield "- `provenance.json` and `sbom.cdx.json` tell the rest"


def _share(row: Sequence[int], position: int) -> float | None:
    return row[position] / sum(row) if sum(row) else None

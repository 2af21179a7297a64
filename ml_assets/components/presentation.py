"""How results look in the Dagster UI: tables and pictures as Markdown, checks as sentences."""

import base64
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

import dagster as dg
import pandas as pd

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    Result = dg.MaterializeResult[None]
else:  # Dagster reads the annotation of an asset's body and knows only the bare class
    Result = dg.MaterializeResult

PREVIEW_COLUMNS = 10


def preview(frame: pd.DataFrame, *, rows: int = 5) -> dg.MarkdownMetadataValue:
    """The first rows and columns of a table."""
    shown = frame.iloc[:rows, :PREVIEW_COLUMNS]
    lines = [_row(shown.columns), _row("---" for _ in shown.columns)]
    lines += [_row(_cell(value) for value in row) for row in shown.itertuples(index=False)]
    hidden = frame.shape[1] - shown.shape[1]
    note = (
        f"\n\n{hidden} more columns: {', '.join(frame.columns[PREVIEW_COLUMNS:])}" if hidden else ""
    )
    return dg.MetadataValue.md("\n".join(lines) + note)


def metric_table(metrics: Mapping[str, Mapping[str, float]]) -> dg.MarkdownMetadataValue:
    """A table of metric values: a row for each metric, a column for each model."""
    models = list(metrics)
    names = dict.fromkeys(name for values in metrics.values() for name in values)
    lines = [_row(["metric", *models]), _row("---" for _ in range(len(models) + 1))]
    for name in names:
        values = (metrics[model].get(name) for model in models)
        lines.append(_row([name, *("" if value is None else f"{value:.4g}" for value in values)]))
    return dg.MetadataValue.md("\n".join(lines))


def picture(figure: "Figure") -> dg.MarkdownMetadataValue:
    """A plot, inside the metadata itself, so that it is there without any server."""
    from ml_assets.core.evaluation.plots import to_png

    encoded = base64.b64encode(to_png(figure)).decode()
    return dg.MetadataValue.md(f"![plot](data:image/png;base64,{encoded})")


def check(
    name: str, *, passed: bool, description: str, blocking: bool = False, **metadata: float
) -> dg.AssetCheckResult:
    """The result of an asset check; what does not block is a warning."""
    severity = dg.AssetCheckSeverity.ERROR if blocking else dg.AssetCheckSeverity.WARN
    return dg.AssetCheckResult(
        check_name=name,
        passed=passed,
        severity=severity,
        description=description,
        metadata=dict(metadata),
    )


def _row(cells: Iterable[object]) -> str:
    return "| " + " | ".join(str(cell) for cell in cells) + " |"


def _cell(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)

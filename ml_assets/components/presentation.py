"""How results look in the Dagster UI: tables and pictures as Markdown."""

import base64
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

import dagster as dg
import pandas as pd

from ml_assets.resources.tracking import MlflowRun

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


def picture(figure: "Figure") -> dg.MarkdownMetadataValue:
    """A plot, inside the metadata itself, so that it is there without any server."""
    from ml_assets.core.evaluation.plots import to_png

    encoded = base64.b64encode(to_png(figure)).decode()
    return dg.MetadataValue.md(f"![plot](data:image/png;base64,{encoded})")


def shown(
    figures: Mapping[str, "Figure"], run: MlflowRun, *, folder: str
) -> dict[str, dg.MarkdownMetadataValue]:
    """Logs figures to MLflow and returns them as metadata."""
    for name, figure in figures.items():
        run.log_figure(figure, f"{folder}/{name}.png")
    return {name: picture(figure) for name, figure in figures.items()}


def _row(cells: Iterable[object]) -> str:
    return "| " + " | ".join(str(cell) for cell in cells) + " |"


def _cell(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)

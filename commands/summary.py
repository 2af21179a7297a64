"""The summary at the end of `make run`: metrics, what was promoted and why, what to type next."""

from pathlib import Path

from rich.table import Table

from commands.progress import CONSOLE
from ml_assets.core.evaluation.measuring import Evaluation
from ml_assets.core.promotion import EvaluationRecord, Promotion
from ml_assets.core.records import BestParameters, DatasetRecord
from ml_assets.resources.storage import Record, Storage
from ml_assets.settings import Settings


def print_metrics(model: str, settings: Settings) -> None:
    """Prints the metrics of the candidate beside production and the baselines."""
    CONSOLE.print()
    CONSOLE.print(_metrics(_read(EvaluationRecord, model, settings, "evaluation").evaluation))


def print_promotion(model: str, settings: Settings) -> None:
    """Prints what was promoted and why."""
    promotion = _read(Promotion, model, settings, "promotion")
    before = f" (before: v{promotion.from_version})" if promotion.from_version else ""
    source = _read(DatasetRecord, model, settings, "dataset").source
    CONSOLE.print(f"\n[bold]Promoted[/] {model} v{promotion.to_version}{before}, because")
    CONSOLE.print(promotion.reason, soft_wrap=True)
    CONSOLE.print(f"It was fitted on {source}.", soft_wrap=True)


def print_search(model: str, settings: Settings) -> None:
    """Prints the best parameters that a search found."""
    best = _read(BestParameters, model, settings, "best_params")
    CONSOLE.print(f"\n[bold]Best parameters[/] for {model}; `make run` uses them from now on")
    for name, value in best.parameters.items():
        CONSOLE.print(
            f"  {name}: {value:.5g}" if isinstance(value, float) else f"  {name}: {value}"
        )
    CONSOLE.print(
        f"validation error {best.validation_error:.5g}, with the YAML's own parameters "
        f"{best.yaml_validation_error:.5g}"
    )


def _metrics(evaluation: Evaluation) -> Table:
    table = Table(title=_title(evaluation), title_justify="left")
    table.add_column("metric", no_wrap=True)
    for name in evaluation.predictors:
        table.add_column(name.replace("_", " "), justify="right")
    for metric in evaluation.metrics:
        values = (scores.get(metric) for scores in evaluation.predictors.values())
        table.add_row(metric, *("" if value is None else f"{value:.4f}" for value in values))
    return table


def _title(evaluation: Evaluation) -> str:
    rows = f"{evaluation.rows.compared:,} test rows"
    if not evaluation.step:
        return f"{evaluation.target} on {rows}"
    return f"{evaluation.target} on {rows}, {evaluation.rows.first:%F} to {evaluation.rows.last:%F}"


def print_next_steps(model: str, settings: Settings) -> None:
    """Prints where things are and what to type next."""
    home = _short(settings.home)
    table = Table.grid(padding=(0, 2))
    table.add_row("[bold]Where things are[/]")
    table.add_row("data, features, results", f"{home}/data/{model}/")
    table.add_row("runs and model versions", f"{home}/mlflow.db, {home}/mlartifacts/")
    table.add_row("service of the model", f"{home}/bentoml/")
    table.add_row()
    table.add_row("[bold]What to type next[/]")
    table.add_row("make ui", "every asset, with plots and checks")
    table.add_row("make mlflow-ui", "runs and model versions")
    table.add_row(f"make serve MODEL={model}", "answer forecasts on port 8000")
    table.add_row(f"make tune MODEL={model}", "search better parameters")
    table.add_row("make run SOURCE=readings.csv", "the same on your own readings")
    CONSOLE.print()
    CONSOLE.print(table)


def _read(kind: type[Record], model: str, settings: Settings, asset: str) -> Record:
    storage = Storage(home=str(settings.home))
    return storage.read_record(kind, storage.file(model, f"{asset}.json"), made_by=asset)


def _short(path: Path) -> str:
    here = Path.cwd()
    return str(path.relative_to(here)) if path.is_relative_to(here) else str(path)

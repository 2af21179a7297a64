"""The summary at the end of `make run`: metrics, what was promoted and why, what to type next."""

import os
from collections.abc import Mapping
from pathlib import Path

from rich.table import Table

from commands.console import RESULTS, say
from commands.ports import SERVICE_PORT
from ml_assets.core.evaluation.measuring import Evaluation
from ml_assets.core.promotion import EvaluationRecord, Promotion
from ml_assets.core.records import BestParameters, DatasetRecord
from ml_assets.resources.registry import ModelRegistry
from ml_assets.resources.storage import Record, Storage
from ml_assets.settings import Settings


def print_results(model: str, job: str, settings: Settings, *, train: str = "make run") -> None:
    """Prints what a job has left in the state directory."""
    if job == "tune":
        print_search(model, settings)
    if job in {"train", "evaluate"}:
        print_metrics(model, settings)
    if job == "evaluate":
        print_evaluation(model, settings, train=train)
    if job == "train":
        print_promotion(model, settings)


def print_metrics(model: str, settings: Settings) -> None:
    """Prints the metrics of the candidate beside production and the baselines."""
    say()
    RESULTS.print(_metrics(_read(EvaluationRecord, model, settings, "evaluation").evaluation))


def print_evaluation(model: str, settings: Settings, *, train: str) -> None:
    """Prints which versions were measured on what, and what the gates said of the candidate.

    Args:
        model: Name of the model.
        settings: Where the records are.
        train: The command that trains models here.
    """
    record = _read(EvaluationRecord, model, settings, "evaluation")
    beside = f"production is v{record.production}" if record.production else "none in production"
    say(title="\nEvaluated", text=f" {model} v{record.candidate} ({beside})")
    say(record.reason)
    _print_source(model, settings)
    say(f"Nothing was promoted; `{train} MODEL={model}` trains, evaluates and promotes.")


def print_online_features(model: str, entities: str, settings: Settings) -> None:
    """Prints of how many entities the online store holds the latest features now."""
    say(title="\nIngested", text=f" the latest features of {model}: {entities} entities")
    _print_source(model, settings)
    say("They are in Feast's online store.")


def print_promotion(model: str, settings: Settings) -> None:
    """Prints what was promoted and why."""
    promotion = _read(Promotion, model, settings, "promotion")
    before = f" (before: {_before(promotion, settings)})" if promotion.from_version else ""
    say(title="\nPromoted", text=f" {model} v{promotion.to_version}{before}, because")
    say(promotion.reason)
    _print_source(model, settings)


def _before(promotion: Promotion, settings: Settings) -> str:
    registry = ModelRegistry(tracking_uri=settings.tracking_uri)
    version = registry.version(promotion.model, promotion.from_version or 0)
    source = version.tags.get("data_source")
    return f"v{version.version}, fitted on {source}" if source else f"v{version.version}"


def print_search(model: str, settings: Settings) -> None:
    """Prints the best parameters that a search found."""
    best = _read(BestParameters, model, settings, "best_params")
    say(title="\nBest parameters", text=f" for {model}; `make run` uses them from now on")
    for name, value in best.parameters.items():
        say(f"  {name}: {value:.5g}" if isinstance(value, float) else f"  {name}: {value}")
    say(
        f"validation error {best.validation_error:.5g}, with the YAML's own parameters "
        f"{best.yaml_validation_error:.5g}"
    )
    if best.replaced_error is not None:
        say(f"before this search it was {best.replaced_error:.5g}")


def _print_source(model: str, settings: Settings) -> None:
    dataset = _read(DatasetRecord, model, settings, "dataset")
    say(f"The data: {dataset.rows:,} rows of {dataset.source}.")


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
    _print_list(
        "Where things are",
        {
            "data, features, results": f"{_short(settings.home)}/data/{model}/",
            "runs and model versions": settings.tracking_uri,
            "service of the model": f"{_short(settings.bento_home)}/",
        },
    )
    # Once there is a platform here, commands without it are about that.
    here = " HERE=1" if os.environ.get("IMAGES") else ""
    _print_list(
        "What to type next",
        {
            "make ui": "every asset, with plots and checks",
            "make mlflow-ui": "runs and model versions",
            f"make serve MODEL={model}{here}": f"answer requests on port {SERVICE_PORT}",
            f"make tune MODEL={model}{here}": "search better parameters",
            f"make run MODEL={model} SOURCE=readings.csv": "the same on your own readings",
        },
    )


def _print_list(title: str, entries: Mapping[str, str]) -> None:
    width = max(map(len, entries))
    say(title=f"\n{title}")
    for name, text in entries.items():
        say(f"  {name:{width}}  {text}")


def _read(kind: type[Record], model: str, settings: Settings, asset: str) -> Record:
    storage = Storage(home=str(settings.home))
    return storage.read_record(kind, storage.file(model, f"{asset}.json"), made_by=asset)


def _short(path: Path) -> str:
    here = Path.cwd()
    return str(path.relative_to(here)) if path.is_relative_to(here) else str(path)

"""Tells where an image came from and who has it, or what was made of a data set: `make lineage`."""

import argparse
from collections.abc import Mapping, Sequence

from rich.table import Table

from commands.console import RESULTS, say
from commands.ledger import EMPTY, ledger, minute, plain, table, told
from serving.release.ledger.entries import Entry
from serving.release.ledger.lineage import DataLineage, ImageLineage, Lineage, LineageError

UNKNOWN = "not recorded"


def main(arguments: Sequence[str]) -> None:
    """Prints the answer.

    Raises:
        LineageError: The ledger knows nothing of what was asked for, or several things.
    """
    parser = argparse.ArgumentParser(prog="make lineage", description=__doc__)
    asked = parser.add_mutually_exclusive_group(required=True)
    asked.add_argument("--digest", help="digest or id of an image, or how it begins")
    asked.add_argument("--data", help="a data version, or how it begins")
    parser.add_argument("--json", action="store_true", help="print JSON")
    options = parser.parse_args(arguments)
    entries = ledger().verify().entries
    if not entries:
        raise LineageError(EMPTY)
    lineage = Lineage(entries)
    found: ImageLineage | DataLineage = (
        lineage.of_digest(options.digest) if options.data is None else lineage.of_data(options.data)
    )
    if options.json:
        say(found.model_dump_json())
    elif isinstance(found, ImageLineage):
        _print_image(found)
    else:
        _print_data(found)


def _print_image(image: ImageLineage) -> None:
    say(title=f"{plain(image.model)} v{image.version}", text=f"  {image.image_digest}")
    _print_facts(
        {
            "image id": image.image_id,
            "data version": image.data_version,
            "MLflow run": image.mlflow_run,
            "git commit": image.git_commit,
            "model.json": image.model_digest,
            "lock file": image.lock_digest,
            "base image": image.base_image,
            "customers": ", ".join(image.customers) or "none",
        }
    )
    RESULTS.print(_events(image))


def _print_facts(facts: Mapping[str, str | None]) -> None:
    for name, value in facts.items():
        say(f"  {name:13} {plain(value or UNKNOWN)}")


def _events(image: ImageLineage) -> Table:
    entries: list[Entry] = [*image.promotions, *image.releases, *image.deliveries, *image.rollbacks]
    return table(
        ["when (UTC)", "event", "who", "what"],
        (
            [minute(entry), _event(entry), plain(entry.who), told(entry)]
            for entry in sorted(entries, key=lambda one: one.when)
        ),
    )


def _event(entry: Entry) -> str:
    return f"{entry.event} to v{entry.version}" if entry.event == "rollback" else entry.event


def _print_data(data: DataLineage) -> None:
    say(title="data version", text=f" {plain(data.data_version)}")
    say(f"  customers     {', '.join(map(plain, data.customers)) or 'none'}")
    for version in data.versions:
        say(title=f"{plain(version.model)} v{version.version}")
        for image in version.images:
            _print_deliveries(image)
        if not version.images:
            say("  not released")


def _print_deliveries(image: ImageLineage) -> None:
    say(f"  {image.image_digest}")
    for one in image.deliveries:
        say(f"    {minute(one)}  {plain(one.customer)}  {plain(one.destination)}")
    if not image.deliveries:
        say("    not delivered")

"""Deliveries to customers of a test's own."""

import json
from dataclasses import replace
from pathlib import Path

from serving.release.delivery.delivering import Outcome, deliver
from serving.release.ledger.ledger import Ledger
from serving.release.recording import Recorder
from serving.release.settings import ReleaseSettings
from tests.docker.delivery_cases import RegistryCase
from tests.docker.small_releases import MODEL, SmallRelease


class Office:
    """Delivers the releases of a shelf to customers of its own, into a ledger of its own."""

    def __init__(self, shelf: tuple[SmallRelease, SmallRelease], home: Path, name: str) -> None:
        """An office without customers yet."""
        self.v1, self.v2 = shelf
        self.home, self.name = home, name
        self.in_registry = f"{name}/{MODEL}"

    @property
    def settings(self) -> ReleaseSettings:
        """The shelf's, with a state directory of its own."""
        customers, deliveries = self.home / "customers.yaml", self.home / "deliveries"
        return replace(
            self.v1.settings, home=self.home, customers_file=customers, deliveries=deliveries
        )

    def serve(self, **customers: RegistryCase | str) -> None:
        """Writes the list of customers, each with a registry or a directory."""
        listed = [
            {"name": name, "models": [MODEL], "registry": f"{place.address}/{self.name}"}
            if isinstance(place, RegistryCase)
            else {"name": name, "models": [MODEL], "directory": place}
            for name, place in customers.items()
        ]
        (self.home / "customers.yaml").write_text(json.dumps({"customers": listed}))

    def deliver(self, release: SmallRelease) -> Outcome:
        """Delivers what was released, as the asset `delivery` does."""
        Recorder.of(self.settings, who="a test").release(release.record)
        return deliver(
            release.record, release.files, self.settings, who="a test", is_live=lambda: True
        )

    @property
    def lines(self) -> list[str]:
        """Whom the ledger says was given what; customers are served at the same time."""
        entries = [line.entry for line in Ledger.of(self.home).read()]
        given = (f"{one.customer} v{one.version}" for one in entries if one.event == "delivery")
        return sorted(given)

    def files(self, customer: str = "files") -> dict[str, bytes]:
        """What a customer has in their directory, by name; hidden files too."""
        place = self.home / "deliveries" / customer / MODEL
        return {path.name: path.read_bytes() for path in place.iterdir()} if place.exists() else {}

"""Delivers a release to all customers of its model, each for itself."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass

from serving.release.bundle.archive import read_member
from serving.release.bundle.signed_files import KEY
from serving.release.delivery.customers import read_customers
from serving.release.delivery.handover import Handover
from serving.release.recording import Recorder
from serving.release.records import BundleRecord, ReleaseFiles
from serving.release.settings import ReleaseSettings
from serving.release.signing import PublicKey
from serving.runtime.errors import MLAssetsError

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Outcome:
    """What became of a delivery.

    Attributes:
        places: Where each customer finds the release, by their name.
        failures: Why the others could not be reached.
    """

    places: Mapping[str, str]
    failures: Mapping[str, str]

    @property
    def complaint(self) -> str:
        """Whom the release could not be delivered to, and why."""
        reasons = "\n".join(f"- {name}: {reason}" for name, reason in self.failures.items())
        return (
            f"{len(self.failures)} of {len(self.places) + len(self.failures)} customers have not "
            f"got it; the others have. It is tried again by itself, and by make deliver:\n{reasons}"
        )


def deliver(
    record: BundleRecord, files: ReleaseFiles, release: ReleaseSettings, *, who: str
) -> Outcome:
    """Delivers a release; what customers have already is left as it is.

    Raises:
        CustomersError: ``customers.yaml`` is wrong.
        BundleError: The bundle is damaged.
        LedgerError: The ledger was changed by another way.
    """
    facts, archive = record.facts, files.archive(record)
    customers = [one for one in read_customers(release.customers_file) if one.gets(facts.model)]
    handover = Handover(
        facts=facts,
        bundle=archive,
        source=release.repository(facts.model),
        key=PublicKey(read_member(archive, KEY)),
        deliveries=release.deliveries,
    )
    recorder, places, failures = Recorder.of(release, who=who), {}, {}
    for customer in customers:
        try:
            places[customer.name] = handover.to(customer)
        except (MLAssetsError, OSError) as error:
            _log.warning("%s has not got %s: %s", customer.name, facts.label, error)
            failures[customer.name] = str(error)
        else:
            recorder.delivery(facts, customer, place=places[customer.name])
    return Outcome(places, failures)

"""Delivers a release to all customers of its model, each for itself."""

import logging
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import NamedTuple

from serving.release.delivery.customers import Customer, read_customers
from serving.release.delivery.handover import Handover
from serving.release.recording import Recorder
from serving.release.records import BundleRecord, ReleaseFiles
from serving.release.settings import ReleaseSettings
from serving.release.verified import verified
from serving.runtime.errors import MLAssetsError

AT_ONCE = 4
"""Customers who are served at a time, so that a slow one holds up few."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Outcome:
    """What became of a delivery.

    Attributes:
        places: Where each customer finds the release, by their name.
        failures: Why others could not be reached.
        overtaken: Who did not get it, as it was no longer in production.
    """

    places: Mapping[str, str]
    failures: Mapping[str, str]
    overtaken: tuple[str, ...] = ()

    @property
    def complaint(self) -> str:
        """Whom the release could not be delivered to, and why."""
        reasons = "\n".join(f"- {name}: {reason}" for name, reason in self.failures.items())
        return (
            f"{len(self.failures)} of {len(self.places) + len(self.failures)} customers have not "
            f"got it; the others have. It is tried again by itself, and by make deliver:\n{reasons}"
        )


def deliver(
    record: BundleRecord,
    files: ReleaseFiles,
    release: ReleaseSettings,
    *,
    who: str,
    is_live: Callable[[], bool],
) -> Outcome:
    """Delivers a release; what customers have already is left as it is.

    Args:
        record: Its bundle, which is verified before anybody gets it.
        files: Its files.
        release: The settings.
        who: Who delivers, for the ledger.
        is_live: Tells, before each customer, whether the release is still in production.

    Raises:
        CustomersError: ``customers.yaml`` is wrong.
        ReleaseError: The bundle is not what was released last of the version.
        BundleError: The bundle is damaged or forged.
        LedgerError: The ledger was changed by another way.
    """
    facts = record.facts
    customers = [one for one in read_customers(release.customers_file) if one.gets(facts.model)]
    with verified(record, files, release) as bundle:
        handover = Handover(
            facts=facts,
            bundle=files.archive(record),
            source=release.repository(facts.model),
            key=bundle.key,
            deliveries=release.deliveries,
        )
    going = _Round(handover, Recorder.of(release, who=who), is_live)
    with ThreadPoolExecutor(AT_ONCE) as pool:
        names = (one.name for one in customers)
        served = dict(zip(names, pool.map(going.serve, customers), strict=True))
    return Outcome(
        places={name: one.place for name, one in served.items() if one.place},
        failures={name: one.failure for name, one in served.items() if one.failure},
        overtaken=tuple(name for name, one in served.items() if not any(one)),
    )


class _Served(NamedTuple):
    """What became of a customer: neither of both, if the release was overtaken before."""

    place: str = ""
    failure: str = ""


@dataclass(frozen=True)
class _Round:
    """One round to all customers."""

    handover: Handover
    recorder: Recorder
    is_live: Callable[[], bool]

    def serve(self, customer: Customer) -> _Served:
        if not self.is_live():
            return _Served()
        facts = self.handover.facts
        try:
            place = self.handover.to(customer)
        except (MLAssetsError, OSError) as error:
            _log.warning("%s has not got %s: %s", customer.name, facts.label, error)
            return _Served(failure=str(error))
        self.recorder.delivery(facts, customer, place=place)
        return _Served(place)

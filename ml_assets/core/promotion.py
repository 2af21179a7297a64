"""When a candidate may be promoted, and the record of it: who, when, from, to, and why."""

import getpass
import os
import socket
from datetime import UTC, datetime

from pydantic import AwareDatetime

from ml_assets.core.errors import RegistryError
from ml_assets.core.evaluation.gates import GateResult
from ml_assets.core.evaluation.measuring import Evaluation
from serving.runtime.spec import FrozenModel


class EvaluationRecord(FrozenModel):
    """What one evaluation found, as it is kept for the promotion after it.

    Attributes:
        candidate: The version that was evaluated.
        production: The version that was in production then, or nothing.
        data_version: The dataset's version.
        evaluation: What was measured.
        gates: The answer of each gate.
    """

    candidate: int
    production: int | None
    data_version: str
    evaluation: Evaluation
    gates: list[GateResult]

    @property
    def reason(self) -> str:
        """What every gate said, a sentence each."""
        return "\n".join(f"- {gate.description}" for gate in self.gates)

    def check_promotable(
        self, candidate: int, *, production: int | None, data_version: str
    ) -> None:
        """Checks that this evaluation allows the promotion of ``candidate``.

        Args:
            candidate: The version under `staging` now.
            production: The version in production now.
            data_version: The dataset that the candidate was fitted on.

        Raises:
            RegistryError: A gate failed, a version is another one than at the evaluation, or the
                candidate was evaluated on another dataset than the one that it was fitted on,
                whose test span it may have learnt from.
        """
        failed = [gate for gate in self.gates if not gate.passed]
        if failed:
            reasons = " ".join(gate.description for gate in failed)
            raise RegistryError(f"v{self.candidate} failed a gate and is not promoted: {reasons}")
        if (candidate, production) != (self.candidate, self.production):
            raise RegistryError(
                f"v{self.candidate} was evaluated beside {_version(self.production)}, but now the "
                f"candidate is {_version(candidate)} and production {_version(production)}; "
                "evaluate again"
            )
        if data_version != self.data_version:
            raise RegistryError(
                f"v{self.candidate} was fitted on dataset {data_version[:12]} but evaluated on "
                f"{self.data_version[:12]}; train again on the new data"
            )


def _version(version: int | None) -> str:
    return "no model" if version is None else f"v{version}"


class Promotion(FrozenModel):
    """One move of the alias `production`.

    Attributes:
        model: Name of the registered model.
        from_version: The version that was in production, or nothing at the first promotion.
        to_version: The version that is in production now.
        who: The user who ran it, ``ML_ASSETS_USER`` or the login name, and the host.
        when: Time of the move, in UTC.
        metrics: The candidate's metrics on the test span.
        reason: Which gates it passed, in words.
        run_id: The Dagster run.
        rollback: Whether the version was in production before, and came back.
    """

    model: str
    from_version: int | None
    to_version: int
    who: str
    when: AwareDatetime
    metrics: dict[str, float]
    reason: str
    run_id: str
    rollback: bool = False


def now() -> datetime:
    """The present time in UTC, to the microsecond, so that it tells one promotion from the next."""
    return datetime.now(UTC)


def who() -> str:
    """The user and host that act: ``ML_ASSETS_USER`` or the login name, at the host's name."""
    return f"{os.environ.get('ML_ASSETS_USER') or _login()}@{socket.gethostname()}"


def _login() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user id may have no name
        return f"uid{os.getuid()}"

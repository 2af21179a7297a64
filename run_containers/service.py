"""The service `run-keeper`: a round every two seconds, for as long as the process lives."""

import logging
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn, Protocol

from run_containers.heartbeat import beat, forget
from run_containers.keeper import RunKeeper
from run_containers.states import STATES_FILE, ContainerStates
from run_containers.trouble import RoundError, Trouble

ROUND_SECONDS = 2
LONGEST_WAIT_SECONDS = 16

_log = logging.getLogger(__name__)


class Duty(Protocol):
    """What is done in a round."""

    def make_round(self) -> None:
        """Does what is due now.

        Raises:
            RoundError: Not all of it could be done.
        """


@dataclass
class Rounds:
    """Rounds of what has to be done, further apart for as long as something is wrong.

    Attributes:
        duties: What is done in each round; one that fails holds up no other.
        wait_seconds: Time until the next round.
        wrong: Who refused in the last round: the engine, the database, the disk, or nobody.
    """

    duties: Iterable[Duty]
    wait_seconds: float = ROUND_SECONDS
    wrong: frozenset[str] = frozenset()

    def make_one(self) -> None:
        """Makes a round and leaves a sign of life; trouble is told once, when it begins."""
        troubles = [trouble for duty in self.duties for trouble in _troubles(duty)]
        if troubles:
            self._put_off(RoundError(troubles))
        else:
            beat()
            self._go_on()

    def _put_off(self, error: RoundError) -> None:
        self.wait_seconds = min(2 * self.wait_seconds, LONGEST_WAIT_SECONDS)
        if error.sources != self.wrong:
            _log.warning("%s; trying again until it works", error)
        self.wrong = error.sources

    def _go_on(self) -> None:
        self.wait_seconds = ROUND_SECONDS
        if self.wrong:
            _log.info("%s: all is well again", ", ".join(sorted(self.wrong)))
        self.wrong = frozenset()


def _troubles(duty: Duty) -> Iterator[Trouble]:
    try:
        duty.make_round()
    except RoundError as error:
        yield from error.troubles


def serve(platform: str) -> NoReturn:
    """Looks after a platform's run containers until the process is ended."""
    _set_up_logging()
    forget()
    rounds = Rounds([RunKeeper(platform), ContainerStates(platform, Path(STATES_FILE))])
    _log.info("looking after the run containers of %s", platform)
    while True:
        rounds.make_one()
        time.sleep(rounds.wait_seconds)


def _set_up_logging() -> None:
    handler = logging.StreamHandler()
    # Dagster tells each of its attempts to connect; the rounds tell that once.
    handler.addFilter(lambda record: "Retrying failed database" not in str(record.msg))
    logging.basicConfig(
        format="%(asctime)s %(levelname)s %(message)s", level=logging.WARNING, handlers=[handler]
    )
    logging.getLogger("run_containers").setLevel(logging.INFO)

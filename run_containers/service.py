"""The service `run-keeper`: a round every two seconds, for as long as the process lives."""

import logging
import time
from dataclasses import dataclass
from typing import NoReturn

from run_containers.heartbeat import beat, forget
from run_containers.keeper import RunKeeper
from run_containers.trouble import RoundError

ROUND_SECONDS = 2
LONGEST_WAIT_SECONDS = 16

_log = logging.getLogger(__name__)


@dataclass
class Rounds:
    """Rounds of a keeper, further apart for as long as something is wrong.

    Attributes:
        keeper: Who makes them.
        wait_seconds: Time until the next round.
        wrong: Who refused in the last round: the engine, the database, the disk, or nobody.
    """

    keeper: RunKeeper
    wait_seconds: float = ROUND_SECONDS
    wrong: frozenset[str] = frozenset()

    def make_one(self) -> None:
        """Makes a round and leaves a sign of life; trouble is told once, when it begins."""
        try:
            self.keeper.make_round()
        except RoundError as error:
            self._put_off(error)
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


def serve(platform: str) -> NoReturn:
    """Looks after a platform's run containers until the process is ended."""
    _set_up_logging()
    forget()
    rounds = Rounds(RunKeeper(platform))
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

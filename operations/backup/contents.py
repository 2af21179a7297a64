"""What a backup is made of, and in which order.

Who names something is read before what is named, so that a backup holds all that it names. First
Dagster's rows: a run that has not ended then is tried once more on the restored platform, and does
what is missing below. Then the ledger, whose lines are the last that a release writes; then the
rows of MLflow and Feast; then the files, which are written before a row names them.
"""

from collections.abc import Container, Sequence
from dataclasses import dataclass
from pathlib import Path

from operations.helper import VOLUME
from operations.inside.pack import Packing

POSTGRES, SQLITE = "postgres", "sqlite"
DUMP, TAR = "dump", "tar"
DATABASES = ("dagster", "mlflow", "feast")
"""Databases of PostgreSQL, each with a user of the same name."""
LEDGER = "ledger"


@dataclass(frozen=True)
class Volume:
    """A volume that is backed up.

    Attributes:
        key: What docker-compose.yml calls it.
        databases: Where its services keep SQLite databases.
        leave_out: Patterns of paths that nobody misses.
        first: What is read before the rest.
    """

    key: str
    databases: tuple[str, ...] = ()
    leave_out: tuple[str, ...] = ()
    first: tuple[str, ...] = ()


VOLUMES = (
    # The ledger has a part of its own; the others are what is being written, and scratch.
    Volume("releases", leave_out=(LEDGER, f"{LEDGER}/*", "*/.work.*", "*~")),
    # Links before the blobs that they lead to; an upload that has not ended is begun anew.
    Volume(
        "registry",
        first=("docker/registry/v2/repositories",),
        leave_out=("*/_uploads", "*/_uploads/*"),
    ),
    Volume("mlflow", databases=("mlflow.db",)),
    Volume("state", databases=("feast",), leave_out=("*~",)),
    Volume("logs", databases=("sqlite",)),
    Volume("grafana", databases=("grafana.db",)),
)
LEFT_OUT = {
    "postgres": "its databases are dumped",
    "certificates": "a self-signed certificate, which nginx makes anew",
    "prometheus": "figures of the last days, which nothing depends on",
    "alertmanager": "silences, and which alerts were sent",
}
"""Volumes that are not copied, and why."""
ALWAYS_SQLITE = ("grafana",)
OF_SQLITE = ("logs", "mlflow", "state")
"""Volumes with databases of the platform, Dagster's first."""
WHOLE = Packing(Path(VOLUME))


@dataclass(frozen=True)
class Part:
    """A file of a backup.

    Attributes:
        path: Where it is in the backup.
        kind: `dump` is of PostgreSQL, `tar` of a volume.
        of: The database, or the volume as docker-compose.yml calls it.
        packing: What of the volume; nothing that a dump looks at.
    """

    path: str
    kind: str
    of: str
    packing: Packing = WHOLE


def parts(database: str, volumes: Container[str]) -> list[Part]:
    """The parts of a backup, in the order in which they are made.

    Args:
        database: Where rows are: sqlite or postgres.
        volumes: The volumes that are there, as docker-compose.yml calls them.
    """
    there = [one for one in VOLUMES if one.key in volumes]
    rows = _dumps() if database == POSTGRES else _copies(there, OF_SQLITE, database)
    return [
        *rows[:1],
        *([_ledger()] if "releases" in volumes else []),
        *rows[1:],
        *_copies(there, ALWAYS_SQLITE, database),
        *(Part(f"volumes/{one.key}.tar", TAR, one.key, _files(one, database)) for one in there),
    ]


def _ledger() -> Part:
    packing = Packing(Path(VOLUME), only=(LEDGER,), lock=f"{LEDGER}/ledger.lock")
    return Part("ledger.tar", TAR, "releases", packing)


def _dumps() -> list[Part]:
    return [Part(f"databases/{name}.dump", DUMP, name) for name in DATABASES]


def _copies(there: Sequence[Volume], keys: Sequence[str], database: str) -> list[Part]:
    held = {one.key: databases_of(one, database) for one in there}
    return [
        Part(
            f"databases/{key}.tar",
            TAR,
            key,
            Packing(Path(VOLUME), databases=held[key], wants_databases=True),
        )
        for key in keys
        if key in held
    ]


def databases_of(volume: Volume, database: str) -> tuple[str, ...]:
    """Where a volume has SQLite databases that services have open."""
    is_used = database == SQLITE or volume.key in ALWAYS_SQLITE
    return volume.databases if is_used else ()


def _files(volume: Volume, database: str) -> Packing:
    return Packing(
        Path(VOLUME),
        databases=databases_of(volume, database),
        leave_out=volume.leave_out,
        first=volume.first,
    )

"""Golden requests: what the evaluated model was asked, and what it must answer wherever it runs.

They are kept as gzipped JSON lines. The same requests give the same bytes, so that a digest of the
file proves which ones they are.
"""

import gzip
import zlib
from collections.abc import Iterable
from pathlib import Path

from pydantic import ValidationError
from typing_extensions import TypedDict

from serving.runtime.errors import ModelFileError
from serving.runtime.spec import FrozenModel

GOLDEN_FILE = "golden.jsonl.gz"
"""Name of the file among the artifacts of the MLflow run that evaluated the model."""
_LEVEL = 1  # five times as fast as zlib's default, for a file that is a quarter larger


class ForecastAnswer(TypedDict):
    """What a service answers for one entity of a forecast.

    Attributes:
        entity: What the history belongs to; None if the request has no entity column.
        origin: Time of the latest reading, ISO 8601 in UTC.
        timestamps: Times of the values.
        values: Forecasts in the target's unit.
    """

    entity: str | None
    origin: str
    timestamps: list[str]
    values: list[float]


class GoldenRequest(FrozenModel):
    """A request, and the answer that the model gave when it was evaluated.

    Attributes:
        data: The columns of `POST /predict`; missing numbers are None.
        predictions: The list that a service answers: one object for each entity of a forecast,
            else a number or the name of a class for each row.
        probabilities: For a classification the probability of each row, by class.
    """

    data: dict[str, list[object]]
    predictions: list[ForecastAnswer] | list[float] | list[str]
    probabilities: dict[str, list[float]] | None = None


def write_golden(requests: Iterable[GoldenRequest], path: Path) -> int:
    """Writes golden requests as gzipped JSON lines.

    Args:
        requests: They are taken one by one, so that they need not fit into memory.
        path: The file; one that is there is replaced.

    Returns:
        How many there are.

    Raises:
        OSError: The file can't be written.
    """
    count = 0
    with (
        path.open("wb") as raw,
        gzip.GzipFile("", "wb", compresslevel=_LEVEL, fileobj=raw, mtime=0) as file,
    ):
        for count, request in enumerate(requests, start=1):  # noqa: B007  counted for the caller
            file.write(request.model_dump_json().encode() + b"\n")
    return count


def read_golden(content: bytes) -> list[GoldenRequest]:
    """The golden requests out of the content of their file.

    Raises:
        ModelFileError: The content is damaged, or holds none; the message names the line.
    """
    try:
        lines = gzip.decompress(content).splitlines()
    except (OSError, EOFError, zlib.error) as error:
        raise ModelFileError(f"{GOLDEN_FILE} is damaged ({error}); evaluate again") from error
    if not lines:
        raise ModelFileError(f"{GOLDEN_FILE} holds no request; evaluate again")
    return [_request(number, line) for number, line in enumerate(lines, start=1)]


def _request(number: int, line: bytes) -> GoldenRequest:
    try:
        return GoldenRequest.model_validate_json(line)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(map(str, first["loc"]))
        raise ModelFileError(
            f"{GOLDEN_FILE}, line {number}: {' '.join((place, first['msg'])).strip()}; evaluate "
            "again"
        ) from error

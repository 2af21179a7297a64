"""The parity gate: an image must answer as the model that was evaluated, or it is not released.

The image runs as a careful customer would run it, and is asked every golden request. The whole
answer counts: the model and its version, the order and the number of the predictions, every time,
class and number in them.
"""

import json
import math
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from serving.golden import GoldenRequest
from serving.release.asking import AskingError, Reply, ask, fetch, is_ready
from serving.release.differences import (
    TOLERANCE,
    WORST_ROWS,
    Compared,
    Place,
    compare,
    is_number,
    table,
)
from serving.release.engine import EngineError, inspect_image
from serving.release.image import MODEL, VERSION, ServiceImage
from serving.release.isolation import PORT, Isolated, isolated
from serving.runtime.errors import MLAssetsError

FEWEST_REQUESTS = 500
READY_SECONDS = 60.0
SERVED_OPENAPI, SERVED_MODEL = "served-openapi.json", "served-model.json"
DOCUMENTS = {SERVED_OPENAPI: "/docs.json", SERVED_MODEL: "/model"}
"""What a service tells of itself, by the name of the file that keeps it."""


class ParityError(MLAssetsError):
    """An image does not answer as the evaluated model; the message shows where it differs most."""


@dataclass(frozen=True)
class ParityReport:
    """What was proved of an image.

    Attributes:
        requests: Golden requests that it was asked.
        numbers: Numbers in the answers that were compared.
        largest_difference: Between two of them, relative to one that is larger than 1.
        seconds_to_ready: From the start of the container to the first answer that it is ready.
        requests_per_second: How fast it answered.
        documents: What it says of itself, JSON, by the names of `DOCUMENTS`.
    """

    requests: int
    numbers: int
    largest_difference: float
    seconds_to_ready: float
    requests_per_second: float
    documents: Mapping[str, bytes]


def prove(
    image: ServiceImage,
    golden: Sequence[GoldenRequest],
    *,
    tolerance: float = TOLERANCE,
    ready_seconds: float = READY_SECONDS,
) -> ParityReport:
    """Proves that an image answers as the evaluated model.

    Args:
        image: The image of the service.
        golden: At least 500 requests, with the answers of the evaluated model.
        tolerance: How far a number may be off, relative to an expected one that is larger than 1.
        ready_seconds: How long the service may take until it is ready.

    Raises:
        ParityError: There are too few requests, the image does not say whose it is, it does not
            become ready, breaks off, or answers one request differently.
        EngineError: The engine refuses, is out of reach, or does not have the image; that says
            nothing about the image.
    """
    _check_enough(golden, image)
    model = _claimed_model(image)
    bodies = [json.dumps({"data": one.data}).encode() for one in golden]
    with isolated(image.id) as service:
        seconds_to_ready = _await_ready(service, image, seconds=ready_seconds)
        started = time.monotonic()
        replies = _ask(service, image, bodies)
        seconds = time.monotonic() - started
        documents = _documents(service, image)
    expected = (_answer(one, model=model) for one in golden)
    compared = [*_compare_all(expected, replies)]
    _check(compared, image, requests=len(golden), tolerance=tolerance)
    numbers = [one.difference for one in compared if is_number(one.expected)]
    return ParityReport(
        requests=len(golden),
        numbers=len(numbers),
        largest_difference=max(numbers, default=0.0),
        seconds_to_ready=seconds_to_ready,
        requests_per_second=len(golden) / seconds,
        documents=documents,
    )


def _check_enough(golden: Sequence[GoldenRequest], image: ServiceImage) -> None:
    if len(golden) < FEWEST_REQUESTS:
        raise ParityError(
            f"{image.name} can't be proved with {len(golden)} golden requests; at least "
            f"{FEWEST_REQUESTS} are needed: evaluate the model again"
        )


def _claimed_model(image: ServiceImage) -> Mapping[str, str]:
    """What the service must call itself: what the image's labels say."""
    labels = inspect_image(image.id).labels
    for label in (MODEL, VERSION):
        if label not in labels:
            raise ParityError(
                f"{image.name} has no label {label}, so that nobody can tell what it serves; "
                "build it again"
            )
    return {"name": labels[MODEL], "version": labels[VERSION]}


def _await_ready(service: Isolated, image: ServiceImage, *, seconds: float) -> float:
    """Waits until a service is ready, and returns how many seconds that took."""
    started = time.monotonic()
    while (waited := time.monotonic() - started) < seconds:
        if is_ready(service.address, port=PORT):
            return waited
        if end := service.end():
            raise ParityError(_with_log(f"{image.name} has ended {end}", service))
        time.sleep(0.1)
    if service.says_it_is_healthy():
        raise EngineError(
            f"{image.name} runs, but {service.address} can't be reached from here; run the "
            "release on the engine's host, or in a container whose host name is its id"
        )
    raise ParityError(_with_log(f"{image.name} is not ready after {seconds:g} s", service))


def _ask(service: Isolated, image: ServiceImage, bodies: Sequence[bytes]) -> list[Reply]:
    try:
        return ask(service.address, bodies, port=PORT)
    except AskingError as error:
        raise ParityError(_with_log(f"{image.name} breaks off, {error}", service)) from error


def _documents(service: Isolated, image: ServiceImage) -> dict[str, bytes]:
    try:
        return {name: fetch(service.address, path, port=PORT) for name, path in DOCUMENTS.items()}
    except AskingError as error:
        raise ParityError(
            _with_log(f"{image.name} does not describe itself, {error}", service)
        ) from error


def _with_log(message: str, service: Isolated) -> str:
    return f"{message}; its last lines:\n{service.last_lines()}"


def _answer(golden: GoldenRequest, *, model: Mapping[str, str]) -> Mapping[str, object]:
    """The whole answer that is expected."""
    answer = {"model": model, "predictions": golden.predictions}
    if golden.probabilities is None:
        return answer
    return {**answer, "probabilities": golden.probabilities}


def _compare_all(
    expected: Iterable[Mapping[str, object]], replies: Iterable[Reply]
) -> Iterator[Compared]:
    for number, (answer, reply) in enumerate(zip(expected, replies, strict=True)):
        place = Place(number)
        if reply.status != 200:
            yield Compared(place.below("status"), 200, reply.status, math.inf)
        yield from compare(place, answer, _content(reply))


def _content(reply: Reply) -> object:
    """The JSON of a reply, or its text where it is none."""
    try:
        # Whole numbers of any length are numbers that floats can be compared with.
        return json.loads(reply.body, parse_int=float)
    except (ValueError, RecursionError):
        return reply.body.decode(errors="replace")


def _check(
    compared: Sequence[Compared], image: ServiceImage, *, requests: int, tolerance: float
) -> None:
    wrong = [one for one in compared if one.difference > tolerance]
    if not wrong:
        return
    differing = len({one.place.request for one in wrong})
    raise ParityError(
        f"{image.name} does not answer as the evaluated model: {differing} of {requests} requests "
        f"differ, in {len(wrong)} of {len(compared)} values. It must not be released; the worst "
        f"of them:\n{table(wrong, rows=WORST_ROWS)}"
    )

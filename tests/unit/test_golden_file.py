"""The file of golden requests: exact, the same bytes each time, and refused where it is damaged."""

import gzip
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.golden import ForecastAnswer, GoldenRequest, read_golden, write_golden
from serving.runtime.errors import ModelFileError

FINITE = st.floats(allow_nan=False, allow_infinity=False)
CELLS = st.one_of(st.none(), FINITE, st.integers(-(2**53), 2**53), st.text())
ANSWERS = st.builds(
    ForecastAnswer,
    entity=st.none() | st.text(),
    origin=st.text(),
    timestamps=st.lists(st.text()),
    values=st.lists(FINITE),
)
PREDICTIONS = st.one_of(*(st.lists(one, min_size=1) for one in (ANSWERS, FINITE, st.text())))
REQUESTS = st.builds(
    GoldenRequest,
    data=st.dictionaries(st.text(), st.lists(CELLS)),
    predictions=PREDICTIONS,
    probabilities=st.none() | st.dictionaries(st.text(), st.lists(FINITE)),
)
ONE = GoldenRequest(data={"length": [1.5, 2]}, predictions=["1", "2"], probabilities={"1": [0.1]})


def written(*requests: GoldenRequest, path: Path) -> bytes:
    write_golden(requests, path)
    return path.read_bytes()


@given(requests=st.lists(REQUESTS, min_size=1, max_size=4))
def test_what_is_read_is_what_was_written(
    tmp_path_factory: pytest.TempPathFactory, requests: list[GoldenRequest]
) -> None:
    content = written(*requests, path=tmp_path_factory.mktemp("golden") / "g")
    assert [repr(one) for one in read_golden(content)] == [repr(one) for one in requests]


def test_same_requests_give_the_same_bytes_wherever_they_lie(tmp_path: Path) -> None:
    contents = {written(ONE, ONE, path=tmp_path / name) for name in ("one", "two")}
    assert len(contents) == 1
    assert contents.pop()[4:8] == bytes(4)  # gzip's field for the time


def test_it_is_json_of_one_request_a_line(tmp_path: Path) -> None:
    (line, end) = gzip.decompress(written(ONE, path=tmp_path / "g")).split(b"\n")
    assert line == (
        b'{"data":{"length":[1.5,2]},"predictions":["1","2"],"probabilities":{"1":[0.1]}}'
    )
    assert end == b""


def test_requests_are_counted_and_taken_one_by_one(tmp_path: Path) -> None:
    def endless() -> Iterator[GoldenRequest]:
        for _ in range(3):
            yield ONE

    assert write_golden(endless(), tmp_path / "g") == 3


@pytest.mark.parametrize("damage", ["", "no gzip", "cut short", "one bit", "no block"])
def test_a_damaged_file_is_refused(tmp_path: Path, damage: str) -> None:
    content = written(ONE, path=tmp_path / "g")
    damaged = {
        "": b"",
        "no gzip": b"{}",
        "cut short": content[:-9],
        "one bit": content[:30] + bytes([content[30] ^ 1]) + content[31:],
        "no block": content[:10] + b"\xff" + content[11:],
    }
    with pytest.raises(ModelFileError, match=r"golden\.jsonl\.gz (is damaged|holds no request)"):
        read_golden(damaged[damage])


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (b"{", "line 2: Invalid JSON"),
        (b'{"data": {}}', "line 2: predictions Field required"),
        (b'{"data": {}, "predictions": [null]}', "line 2: predictions"),
        (b'{"data": {}, "predictions": [1], "surprise": 1}', "line 2: surprise Extra inputs"),
    ],
)
def test_a_line_that_is_no_request_is_named(line: bytes, message: str) -> None:
    content = gzip.compress(ONE.model_dump_json().encode() + b"\n" + line)
    with pytest.raises(ModelFileError, match=message):
        read_golden(content)

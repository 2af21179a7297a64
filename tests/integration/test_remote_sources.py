"""Sources on real servers on this machine: http, and as much of S3 as reading files takes."""

import hashlib
import resource
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from http.server import BaseHTTPRequestHandler, SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from ml_assets.core.dataset import files
from ml_assets.core.dataset.snapshot import content_hash
from ml_assets.core.dataset.sources import Readings, read_source
from ml_assets.core.errors import DataError, SourceError
from ml_assets.core.spec import SourceSpec
from serving.release.probe import free_ports
from serving.runtime.spec import ColumnSpec

COLUMNS = ColumnSpec(target="OT", inputs=["HUFL"], timestamp="date", entity="transformer")


class QuietFiles(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Keeps the test's output clean."""


class Broken(BaseHTTPRequestHandler):
    """Promises more bytes than it sends, or asks for a password."""

    def do_GET(self) -> None:
        self.send_response(401 if self.path == "/secret.csv" else 200)
        self.send_header("Content-Length", "1000")
        self.end_headers()
        self.wfile.write(b"date,HUFL,OT\n")

    def log_message(self, *_: object) -> None:
        """Keeps the test's output clean."""


class S3(QuietFiles):
    """GetObject, HeadObject and ListObjectsV2 on directories as buckets."""

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        query = parse_qs(url.query)
        if "list-type" in query:
            self._list(url.path.strip("/"), query.get("prefix", [""])[0])
        else:
            self.path = url.path
            super().do_GET()

    def _list(self, bucket: str, prefix: str) -> None:
        root = Path(self.directory) / bucket
        keys = [path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file()]
        contents = "".join(
            f"<Contents><Key>{key}</Key><Size>{(root / key).stat().st_size}</Size>"
            "<LastModified>2016-07-01T00:00:00Z</LastModified><ETag>x</ETag></Contents>"
            for key in sorted(keys)
            if key.startswith(prefix)
        )
        body = f"<ListBucketResult>{contents}<IsTruncated>false</IsTruncated></ListBucketResult>"
        self.send_response(200)
        self.send_header("Content-Type", "application/xml")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body.encode())


@contextmanager
def serving(handler: object) -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.fixture(autouse=True)
def _direct(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


@pytest.fixture
def web(tmp_path: Path) -> Iterator[str]:
    """The address of a web server with the files of tmp_path."""
    with serving(partial(QuietFiles, directory=str(tmp_path))) as address:
        yield address


@pytest.fixture
def bucket(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The directory of the bucket s3://readings."""
    (tmp_path / "readings").mkdir()
    with serving(partial(S3, directory=str(tmp_path))) as address:
        settings = {"ENDPOINT_URL": address, "ACCESS_KEY_ID": "a", "SECRET_ACCESS_KEY": "b"}
        for name, value in settings.items():
            monkeypatch.setenv(f"AWS_{name}", value)
        monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        yield tmp_path / "readings"


def write(path: Path, *, days: int = 2, suffix: str = "csv") -> Path:
    frame = read(f"simulated://transformers?entities=1&days={days}").frame
    frame = frame.drop(columns="transformer")
    if suffix == "csv":
        frame.to_csv(path, index=False)
    else:
        frame.to_parquet(path)
    return path


def read(uri: str | Path, *, sha256: str = "") -> Readings:
    return read_source(SourceSpec(uri=str(uri), sha256=sha256), COLUMNS)


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_a_file_on_a_web_server_reads_like_the_local_one(tmp_path: Path, web: str, suffix: str):
    path = write(tmp_path / f"a.{suffix}", suffix=suffix)
    local, remote = read(path), read(f"{web}/a.{suffix}")
    assert content_hash(remote.frame) == content_hash(local.frame)
    assert remote.files[0].sha256 == local.files[0].sha256


def test_the_query_of_a_url_is_sent_but_not_shown(tmp_path: Path, web: str):
    write(tmp_path / "a.csv")
    (file,) = read(f"{web}/a.csv?signature=secret").files
    assert file.uri == f"{web}/a.csv"


def test_a_url_has_its_sha256_checked(tmp_path: Path, web: str):
    digest = hashlib.sha256(write(tmp_path / "a.csv").read_bytes()).hexdigest()
    assert len(read(f"{web}/a.csv", sha256=digest).frame) > 0
    with pytest.raises(
        SourceError, match=f"{web}/a.csv: wrong sha256: expected 0000.* got {digest}"
    ):
        read(f"{web}/a.csv", sha256="0" * 64)


def test_a_missing_page_is_reported(web: str):
    with pytest.raises(SourceError, match=f"no such file: {web}/a.csv"):
        read(f"{web}/a.csv")


def test_a_bad_cell_behind_a_url_is_reported_with_its_place(tmp_path: Path, web: str):
    (tmp_path / "a.csv").write_text("date,HUFL,OT\n2016-07-01,x,1\n")
    with pytest.raises(DataError, match=f"{web}/a.csv, row 2, column 'HUFL': 'x' is not a number"):
        read(f"{web}/a.csv")


def test_a_server_that_is_not_there_is_reported():
    (port,) = free_ports(1)
    with pytest.raises(SourceError, match=rf"http://127.0.0.1:{port}/a.csv can't be reached"):
        read(f"http://user:password@127.0.0.1:{port}/a.csv?key=secret")


def test_a_server_that_never_answers_is_given_up(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(files, "READ_SECONDS", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        with pytest.raises(SourceError, match="can't be reached: no answer in time"):
            read(f"http://127.0.0.1:{port}/a.csv")


def test_an_answer_that_breaks_off_is_no_file():
    with serving(Broken) as address, pytest.raises(SourceError, match=r"a\.csv can't be reached"):
        read(f"{address}/a.csv")


def test_a_page_behind_a_login_is_reported():
    with serving(Broken) as address, pytest.raises(SourceError, match="the server answered 401"):
        read(f"{address}/secret.csv")


@pytest.mark.parametrize("content", ["date,HUFL,OT\n2016-07-01,1,2\n", "no readings"])
def test_the_copy_of_a_remote_file_is_removed(
    tmp_path: Path, web: str, content: str, monkeypatch: pytest.MonkeyPatch
):
    (tmp_path / "a.csv").write_text(content)
    (tmp_path / "copies").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "copies"))
    with suppress(DataError):
        read(f"{web}/a.csv")
    assert not list((tmp_path / "copies").iterdir())


def test_no_room_for_a_copy_is_reported(tmp_path: Path, web: str):
    (tmp_path / "a.csv").write_bytes(b"0" * 3_000_000)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2_000_000, hard))
    try:
        with pytest.raises(SourceError, match=rf"no room for a copy of {web}/a\.csv in .*TMPDIR"):
            read(f"{web}/a.csv")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_key_in_a_bucket_reads_like_a_file(bucket: Path):
    path = write(bucket / "a.csv")
    assert content_hash(read("s3://readings/a.csv").frame) == content_hash(read(path).frame)


def test_a_glob_in_a_bucket_finds_its_keys(bucket: Path):
    for name in ("b", "a"):
        write(bucket / f"{name}.parquet", suffix="parquet")
    (bucket / "notes.txt").write_text("no readings")
    readings = read("s3://readings/*.parquet")
    assert [file.uri for file in readings.files] == [
        "s3://readings/a.parquet",
        "s3://readings/b.parquet",
    ]
    assert set(readings.frame["transformer"]) == {"a", "b"}


def test_a_missing_key_is_reported(bucket: Path):
    with pytest.raises(SourceError, match=r"no such file: s3://readings/a.csv"):
        read("s3://readings/a.csv")


def test_a_glob_in_a_bucket_without_a_match_is_reported(bucket: Path):
    with pytest.raises(SourceError, match=r"no file matches s3://readings/\*\.csv"):
        read("s3://readings/*.csv")


def test_a_key_with_a_number_sign_keeps_its_name(bucket: Path):
    for name in ("a#1", "a#2"):
        write(bucket / f"{name}.csv")
    assert set(read("s3://readings/a#?.csv").frame["transformer"]) == {"a#1", "a#2"}


def test_what_s3_says_of_a_uri_with_a_password_is_told_without_it(bucket: Path):
    with pytest.raises(SourceError, match=r"can.t be reached") as caught:
        read("s3://user:password@readings/*.csv?token=secret")
    assert not [word for word in ("password", "secret") if word in str(caught.value)]


def test_an_object_store_that_is_not_there_is_reported(
    bucket: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{free_ports(1)[0]}")
    with pytest.raises(SourceError, match=r"s3://readings/a.csv can't be reached"):
        read("s3://readings/a.csv")

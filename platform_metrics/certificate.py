"""Until when the certificate of a TLS server is valid, whoever issued it.

It is read here: `ssl` tells the date of a certificate only if it trusts it, and `cryptography`
would take 16 MB of the image, and 11 MB of memory in an exporter that is to need less than 40.
"""

import socket
import ssl
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

from prometheus_client.core import GaugeMetricFamily, Metric

from platform_metrics.failures import SourceError
from platform_metrics.neighbours import Neighbours

SECONDS = 8
SEQUENCE, UTC_TIME, GENERALIZED_TIME, VERSION = 0x30, 0x17, 0x18, 0xA0


class Certificate:
    """The certificate that a server shows."""

    name = "tls_certificate"

    def __init__(self, address: str, neighbours: Neighbours) -> None:
        self._address = address
        self._neighbours = neighbours

    def read(self) -> Sequence[Metric] | None:
        """When it ends to be valid; None if the platform has no such server.

        Raises:
            SourceError: Nobody shows a certificate there, or none that can be read.
        """
        host, _, port = self._address.rpartition(":")
        if not self._neighbours.has(host):
            return None
        end = not_after(_shown(host, int(port)))
        family = GaugeMetricFamily(
            "tls_certificate_not_after_timestamp_seconds",
            "When the certificate ends to be valid.",
            labels=["address"],
        )
        family.add_metric([self._address], end.timestamp())
        return [family]


def _shown(host: str, port: int) -> bytes:
    context = ssl.create_default_context()
    # It is looked at, not trusted: one of our own making or expired must be told too.
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    try:
        with (
            socket.create_connection((host, port), timeout=SECONDS) as connection,
            context.wrap_socket(connection, server_hostname=host) as tls,
        ):
            shown = tls.getpeercert(binary_form=True)
    except OSError as error:
        raise SourceError(f"{host}:{port} shows no certificate: {error}") from error
    if shown is None:
        raise SourceError(f"{host}:{port} shows no certificate")
    return shown


def not_after(certificate: bytes) -> datetime:
    """The end of a certificate's validity (RFC 5280, 4.1.2.5).

    Args:
        certificate: An X.509 certificate in DER.

    Raises:
        SourceError: It is something else.
    """
    try:
        ((_, whole),) = _elements(certificate)
        (_, signed), *_ = _elements(whole)
        # version (if any), serial number, signature algorithm, issuer, validity
        fields = [content for tag, content in _elements(signed) if tag != VERSION]
        _, (tag, end) = _elements(fields[3])
        return _time(tag, end.decode("ascii"))
    except (ValueError, IndexError) as error:
        raise SourceError(f"the certificate can't be read: {error}") from error


def _time(tag: int, text: str) -> datetime:
    """A time of ASN.1; years of two digits lie between 1950 and 2049."""
    if tag == UTC_TIME:
        text = f"{'19' if text[:2] >= '50' else '20'}{text}"
    elif tag != GENERALIZED_TIME:
        raise ValueError(f"a time has the tag {tag:#x}")
    return datetime.strptime(text, "%Y%m%d%H%M%SZ").replace(tzinfo=UTC)


def _elements(content: bytes) -> Iterator[tuple[int, bytes]]:
    """Tag and content of each element of DER."""
    while content:
        tag, length, start = content[0], content[1], 2
        if length & 0x80:
            start += length & 0x7F
            length = int.from_bytes(content[2:start], "big")
        if start + length > len(content):
            raise ValueError("it ends too early")
        yield tag, content[start : start + length]
        content = content[start + length :]

"""What keeps a proved image from being released: what it holds, and what is known of that."""

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from pydantic import ValidationError

from serving.release.bundle.archive import read_member
from serving.release.bundle.assembling import SCAN
from serving.release.bundle.oci import OciImage
from serving.release.contents.forbidden import find_forbidden, find_in_configuration
from serving.release.contents.image import ImageContents, read_image
from serving.release.records import ReleaseError
from serving.release.scan.policy import ScanPolicy, read_policy
from serving.release.scan.report import ScanReport
from serving.release.scan.scanning import scan

SHOWN = 10
"""How many files a refusal names."""


class RefusedError(ReleaseError):
    """An image is proved, and all the same must not be released: for what it holds."""


@dataclass(frozen=True)
class Admitted:
    """What is known of an image that may be released.

    Attributes:
        contents: What it holds.
        scan: What is known of its packages.
    """

    contents: ImageContents
    scan: ScanReport

    def is_told_in(self, archive: Path) -> bool:
        """Whether a bundle of the same image says all that is known of its packages now.

        Raises:
            BundleError: The bundle is damaged.
        """
        try:
            told = ScanReport.model_validate_json(read_member(archive, SCAN))
        except ValidationError:
            return False  # a report of an earlier form
        return not self.scan.is_news_after(told)


def admit(image: OciImage, *, name: str, scan_home: Path) -> Admitted:
    """Looks whether an image may be released.

    Args:
        image: The image.
        name: What people call it.
        scan_home: Directory of the advisory database and of the policy for it.

    Raises:
        RefusedError: It holds what it must not, or packages with advisories that count; the message
            names them.
        ContentsError: A layer is damaged.
        AdvisoryError: The database can't be read.
        PolicyError: The policy can't be read.
    """
    check_contents(image, name=name)
    contents = read_image(image.layers)
    return Admitted(contents, scan_contents(contents, name=name, home=scan_home))


def check_contents(image: OciImage, *, name: str) -> None:
    """Checks that neither layers nor configuration of an image hold what customers must not get.

    Raises:
        RefusedError: One does; the message names the files.
    """
    found = find_in_configuration(image.config_file.read_bytes()) + find_forbidden(image.layers)
    if not found:
        return
    listed = "\n".join(f"- {one.path}: {one.why}" for one in found[:SHOWN])
    more = f"\nand {len(found) - SHOWN} more" if len(found) > SHOWN else ""
    raise RefusedError(f"the image of {name} holds what it must not:\n{listed}{more}")


def scan_contents(contents: ImageContents, *, name: str, home: Path) -> ScanReport:
    """What is known of an image's packages.

    Raises:
        RefusedError: Too much, by the policy.
    """
    policy, database = home / "policy.yaml", home / "advisories"
    report = scan(
        contents.packages,
        database if database.exists() else None,
        read_policy(policy) if policy.exists() else ScanPolicy(),
        datetime.now(UTC).date(),
    )
    if report.refused:
        reasons = "\n".join(f"- {reason}" for reason in report.refused)
        raise RefusedError(f"{name} must not be released:\n{reasons}")
    return report

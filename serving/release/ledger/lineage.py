"""What the ledger tells of an image, and of a data set: where it came from and where it went."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from serving.release.ledger.entries import Delivery, Entry, Promotion, Release, Rollback
from serving.runtime.errors import MLAssetsError
from serving.runtime.spec import FrozenModel

SHORTEST = 6
"""Least number of hexadecimal digits that a digest is asked for by."""
TOLD = 5
"""How many candidates an error names."""
Found = TypeVar("Found", Promotion, Release, Delivery, Rollback)


class LineageError(MLAssetsError):
    """The ledger knows nothing of what was asked for, or several things."""


class ImageLineage(FrozenModel):
    """An image, what it was made of, and what became of it.

    Attributes:
        image_digest: Digest of its manifest.
        image_id: Digest of its configuration; None if its release is not recorded.
        model: Name of the registered model.
        version: Its version.
        data_version: The dataset; None, as what follows, if neither release nor promotion of the
            version is recorded.
        mlflow_run: The run that logged the model.
        git_commit: Commit of the code that trained it.
        model_digest: sha256 of model.json; None, as what follows, without a recorded release.
        lock_digest: sha256 of the lock file of its libraries.
        base_image: Id of the image that the model was put on.
        promotions: How its version went into production, oldest first, as all that follows.
        releases: Its releases, each with a bundle.
        deliveries: To whom and where it was delivered.
        rollbacks: How production went back to its version, or from it to an earlier one.
    """

    image_digest: str
    image_id: str | None
    model: str
    version: int
    data_version: str | None
    mlflow_run: str | None
    git_commit: str | None
    model_digest: str | None
    lock_digest: str | None
    base_image: str | None
    promotions: list[Promotion]
    releases: list[Release]
    deliveries: list[Delivery]
    rollbacks: list[Rollback]

    @property
    def customers(self) -> list[str]:
        """Who has it, by name."""
        return sorted({delivery.customer for delivery in self.deliveries})


class VersionLineage(FrozenModel):
    """A version of a model that was fitted on a data set.

    Attributes:
        model: Name of the registered model.
        version: Its version.
        promotions: How it went into production, oldest first.
        images: Every image of it.
    """

    model: str
    version: int
    promotions: list[Promotion]
    images: list[ImageLineage]


class DataLineage(FrozenModel):
    """A data set and all that was made of it.

    Attributes:
        data_version: The data set.
        versions: The versions that were fitted on it.
    """

    data_version: str
    versions: list[VersionLineage]

    @property
    def customers(self) -> list[str]:
        """Who has something that was made of it, by name."""
        images = (image for version in self.versions for image in version.images)
        return sorted({customer for image in images for customer in image.customers})


@dataclass(frozen=True)
class Lineage:
    """Answers questions on a ledger.

    Attributes:
        entries: What the ledger records, oldest first.
    """

    entries: Sequence[Entry]

    def of_digest(self, asked: str) -> ImageLineage:
        """Where an image came from and where it went.

        Args:
            asked: The digest of the image's manifest or its id, or how one of them begins, with or
                without ``sha256:``; or a name that ends on ``@sha256:...``.

        Raises:
            LineageError: It is too short or no digest, or no image or several have it.
        """
        images = self._images()
        labels = {digest: f"{digest} ({model} v{version})" for digest, model, version in images}
        ids = {one.image_id: one.image_digest for one in self._all(Release)}
        begin = _digits(asked)
        found = {one for one in labels if one.startswith(f"sha256:{begin}")}
        found |= {digest for one, digest in ids.items() if one.startswith(f"sha256:{begin}")}
        digest = _only(found, labels, asked=f"image whose digest or id begins with {begin}")
        return self._image(*next(one for one in images if one[0] == digest))

    def of_data(self, asked: str) -> DataLineage:
        """What was made of a data set.

        Args:
            asked: The data version, or how it begins.

        Raises:
            LineageError: It is too short, or no data version or several begin so.
        """
        if len(asked) < SHORTEST:
            raise LineageError(f"{asked!r} is too short: give at least {SHORTEST} characters")
        known: dict[str, list[tuple[str, int]]] = {}
        for one in self._made():
            known.setdefault(one.data_version, []).append((one.model, one.version))
        labels = {data: f"{data} ({_names(versions)})" for data, versions in known.items()}
        found = {asked} & set(known) or {one for one in known if one.startswith(asked)}
        data = _only(found, labels, asked=f"data version that begins with {asked}")
        versions = sorted(set(known[data]))
        return DataLineage(data_version=data, versions=[self._version(*one) for one in versions])

    def _version(self, model: str, version: int) -> VersionLineage:
        return VersionLineage(
            model=model,
            version=version,
            promotions=self._of(Promotion, model, version),
            images=[self._image(*one) for one in self._images() if one[1:] == (model, version)],
        )

    def _image(self, digest: str, model: str, version: int) -> ImageLineage:
        releases = [one for one in self._of(Release, model, version) if one.image_digest == digest]
        promotions = self._of(Promotion, model, version)
        release = releases[-1] if releases else None
        origin = release or (promotions[-1] if promotions else None)
        return ImageLineage(
            image_digest=digest,
            image_id=release and release.image_id,
            model=model,
            version=version,
            data_version=origin and origin.data_version,
            mlflow_run=origin and origin.mlflow_run,
            git_commit=origin and origin.git_commit,
            model_digest=release and release.model_digest,
            lock_digest=release and release.lock_digest,
            base_image=release and release.base_image,
            promotions=promotions,
            releases=releases,
            deliveries=[
                one for one in self._of(Delivery, model, version) if one.image_digest == digest
            ],
            rollbacks=[
                one
                for one in self._all(Rollback)
                if one.model == model and version in {one.version, one.from_version}
            ],
        )

    def _images(self) -> list[tuple[str, str, int]]:
        """Digest, model and version of every image, in the order in which they appear."""
        known = (one for one in self.entries if not isinstance(one, Promotion))
        return list(dict.fromkeys((one.image_digest, one.model, one.version) for one in known))

    def _made(self) -> Iterable[Promotion | Release]:
        return (one for one in self.entries if isinstance(one, Promotion | Release))

    def _all(self, kind: type[Found]) -> list[Found]:
        return [one for one in self.entries if isinstance(one, kind)]

    def _of(self, kind: type[Found], model: str, version: int) -> list[Found]:
        return [one for one in self._all(kind) if (one.model, one.version) == (model, version)]


def _digits(asked: str) -> str:
    """The hexadecimal digits that a digest begins with.

    Raises:
        LineageError: There are too few, or something else.
    """
    digits = asked.rpartition("@")[2].strip().lower().removeprefix("sha256:")
    if not re.fullmatch(f"[0-9a-f]{{{SHORTEST},64}}", digits):
        raise LineageError(
            f"{asked!r} is no digest: give at least {SHORTEST} hexadecimal digits that it begins "
            "with, such as sha256:0123456789ab"
        )
    return digits


def _only(found: set[str], labels: Mapping[str, str], *, asked: str) -> str:
    """The one thing that was found.

    Raises:
        LineageError: Nothing or several things were; it names the candidates.
    """
    if len(found) == 1:
        return found.pop()
    if not labels:
        raise LineageError(f"the ledger knows no {asked}; it holds none yet")
    if not found:
        raise LineageError(f"the ledger knows no {asked}; the newest are:{_listed(labels)}")
    told = {one: label for one, label in labels.items() if one in found}
    raise LineageError(f"there is more than one {asked}; give more of it:{_listed(told)}")


def _listed(labels: Mapping[str, str]) -> str:
    newest = [*labels.values()][-TOLD:]
    more = len(labels) - len(newest)
    return "".join(f"\n  {label}" for label in newest) + (f"\n  and {more} more" if more else "")


def _names(versions: Iterable[tuple[str, int]]) -> str:
    return ", ".join(f"{model} v{version}" for model, version in dict.fromkeys(versions))

"""Repositories of registries: what is there under a name, and how images get there."""

from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path

from serving.release.cosign import AbsentError, CosignError, cosign

PLAIN = "http://"
QUESTION_SECONDS = 60
"""How long a registry may take to say what it has."""


class TakenError(CosignError):
    """A tag that is given once and for all leads to another image."""


@dataclass(frozen=True)
class Repository:
    """A repository, such as ``registry.example.org/acme/iris``.

    Attributes:
        name: Host and path.
        is_plain: Whether the registry may be asked without TLS; one on loopback always may.
    """

    name: str
    is_plain: bool = False

    @classmethod
    def below(cls, registry: str, model: str) -> "Repository":
        """The repository of a model.

        Args:
            registry: Its host, with a path if there is one; ``http://`` in front allows it to be
                asked without TLS.
            model: Name of the model.
        """
        name = registry.removeprefix(PLAIN).rstrip("/")
        return cls(f"{name}/{model}", is_plain=registry.startswith(PLAIN))

    @property
    def is_near(self) -> bool:
        """Whether cosign asks the registry without TLS anyway: by a private address or `.local`."""
        host = self.name.partition("/")[0].partition(":")[0]
        if host == "localhost" or host.endswith(".local"):
            return True
        try:
            return ip_address(host).is_private
        except ValueError:
            return False

    @property
    def options(self) -> tuple[str, ...]:
        """What cosign has to be told of the registry."""
        return ("--allow-http-registry=true",) if self.is_plain else ()

    def tagged(self, tag: str) -> str:
        """The image that has a tag."""
        return f"{self.name}:{tag}"

    def pinned(self, digest: str) -> str:
        """The image of a digest, which nobody can exchange."""
        return f"{self.name}@{digest}"

    def digest_of(self, tag: str) -> str | None:
        """The digest of the image that has a tag, or nothing.

        Raises:
            CosignError: The registry is out of reach, or refuses.
        """
        try:
            found = cosign(
                *("triangulate", "--type=digest", *self.options, self.tagged(tag)),
                patience=QUESTION_SECONDS,
            )
        except AbsentError:
            return None
        return found.rpartition("@")[2]

    def has(self, tag: str, digest: str) -> bool:
        """Whether an image has its immutable tag already.

        Raises:
            TakenError: Another image has it.
            CosignError: The registry is out of reach, or refuses.
        """
        found = self.digest_of(tag)
        if found not in (None, digest):
            raise TakenError(
                f"{self.tagged(tag)} is another image, {found}, and not {digest}: somebody has "
                "given its name away; remove that tag from the registry"
            )
        return found is not None

    def push(self, layout: Path, tag: str) -> None:
        """Pushes the image of an OCI layout, as it is, and gives it a tag.

        Raises:
            CosignError: The registry is out of reach, or refuses.
        """
        cosign("load", f"--dir={layout}", *self.options, self.tagged(tag))

    def copy(self, digest: str, target: "Repository", tag: str) -> None:
        """Copies an image with its signatures and attestations, and gives it a tag there.

        What is there under that tag, and signatures that the image has there, make way.

        Raises:
            CosignError: A registry is out of reach, or refuses.
        """
        options = {*self.options, *target.options}
        cosign("copy", "--force", *options, self.pinned(digest), target.tagged(tag))

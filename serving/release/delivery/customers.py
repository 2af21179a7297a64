"""Who gets which model, and where: ``customers.yaml``."""

import re
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import Annotated, Self

import yaml
from pydantic import Field, ValidationError, field_validator, model_validator

from serving.release.bundle.facts import ReleaseFacts, short
from serving.release.registries import PLAIN
from serving.runtime.errors import MLAssetsError, SpecError
from serving.runtime.manifest import first_line
from serving.runtime.spec import FrozenModel

EVERY = "*"
TAG = "v{version}-{digest12}"
NAME = "^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$"
TAG_FORM = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")
HOST, PATH = r"[A-Za-z0-9][A-Za-z0-9.-]*(:[0-9]{1,5})?", r"(/[a-z0-9]+([._-]+[a-z0-9]+)*)*"
REGISTRY_FORM = re.compile(HOST + PATH, re.ASCII)


class CustomersError(MLAssetsError):
    """``customers.yaml`` can't be read; the message names the place."""


class Customer(FrozenModel):
    """A customer, and how releases reach them.

    Attributes:
        name: What the ledger calls them.
        models: Names of the models that they get; ``*`` is every one.
        channel: A name that always leads to their current release: a tag in their registry, a file
            beside the bundles in their directory.
        registry: Where images are pushed, such as ``registry.example.org/acme``; credentials come
            from the release's own, never from here. ``http://`` in front allows it to be asked
            without TLS.
        directory: Where bundles are written, below the directory of all deliveries.
        tag: The name of a release in the registry; the digest in it makes it immutable.
    """

    name: Annotated[str, Field(pattern=NAME)]
    models: Annotated[list[str], Field(min_length=1)]
    channel: Annotated[str, Field(pattern=NAME)] = "stable"
    registry: str = ""
    directory: str = ""
    tag: str = TAG

    @field_validator("channel")
    @classmethod
    def _is_not_latest(cls, channel: str) -> str:
        if channel == "latest":
            raise SpecError("a channel can't be called latest; call it stable, for instance")
        return channel

    @field_validator("registry")
    @classmethod
    def _is_an_address(cls, registry: str) -> str:
        if "@" in registry:
            raise SpecError("a registry's address holds no credentials; use docker login")
        if registry and not REGISTRY_FORM.fullmatch(registry.removeprefix(PLAIN)):
            raise SpecError(
                f"{registry!r} is not a registry; write its host and path without https://, such "
                "as registry.example.org/acme"
            )
        return registry

    @field_validator("directory")
    @classmethod
    def _stays_below(cls, directory: str) -> str:
        path = PurePosixPath(directory)
        if path.is_absolute() or ".." in path.parts:
            raise SpecError("a directory is a path below the directory of deliveries, without ..")
        return directory

    @field_validator("tag")
    @classmethod
    def _is_immutable(cls, tag: str) -> str:
        if "{digest12}" not in tag:
            raise SpecError("a tag holds {digest12}, so that no other image ever gets it")
        try:
            example = tag.format(version="1", digest12="0" * 12, model="model")
        except (LookupError, ValueError, AttributeError, TypeError) as error:
            raise SpecError("a tag may hold {model}, {version} and {digest12}") from error
        if not TAG_FORM.fullmatch(example):
            raise SpecError("a tag is of letters, digits, dots, dashes and underscores")
        return tag

    @model_validator(mode="after")
    def _has_one_place(self) -> Self:
        if bool(self.registry) == bool(self.directory):
            raise SpecError(f"{self.name} needs either a registry or a directory")
        return self

    def gets(self, model: str) -> bool:
        """Whether a model is delivered to them."""
        return model in self.models or EVERY in self.models

    def tag_of(self, facts: ReleaseFacts) -> str:
        """The name of a release."""
        digest = short(facts.image_digest)
        return self.tag.format(version=facts.version, digest12=digest, model=facts.model)


class Customers(FrozenModel):
    """The content of the file."""

    customers: list[Customer] = Field(default=[])

    @model_validator(mode="after")
    def _are_told_apart(self) -> Self:
        names = [one.name for one in self.customers]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise SpecError(f"two customers are called {twice[0]}")
        places = [PurePosixPath(one.directory) for one in self.customers if one.directory]
        if shared := sorted({str(place) for place in places if places.count(place) > 1}):
            raise SpecError(f"two customers have the directory {shared[0]}; give each their own")
        return self


def read_customers(path: Path | None) -> Sequence[Customer]:
    """The customers; none without a file.

    Raises:
        CustomersError: The file is wrong; the message names the place.
    """
    if path is None:
        return []
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
        return Customers.model_validate(content or {}).customers
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise CustomersError(f"{path} can't be read: {error}") from error
    except ValidationError as error:
        raise CustomersError(f"{path} is wrong: {first_line(error, whole='the file')}") from error

"""One partition of the release for each version that went into production."""

import re

import dagster as dg

from serving.runtime.errors import MLAssetsError

MODEL_VERSIONS = dg.DynamicPartitionsDefinition(name="model_versions")


class PartitionError(MLAssetsError):
    """A partition's key does not name a version of a model."""


def partition_key(model: str, version: int) -> str:
    """The key of a version: ``iris:v3``."""
    return f"{model}:v{version}"


def read_partition_key(key: str) -> tuple[str, int]:
    """The model and the version that a key names.

    Raises:
        PartitionError: It names none.
    """
    found = re.fullmatch(r"(?P<model>[^:]+):v(?P<version>[1-9]\d*)", key)
    if found is None:
        raise PartitionError(
            f"the partition {key!r} does not name a version of a model, as 'iris:v3' does; delete "
            "it"
        )
    return found["model"], int(found["version"])

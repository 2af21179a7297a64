"""One partition of the release for each version that went into production."""

import re

import dagster as dg

from serving.runtime.errors import MLAssetsError

MODEL_VERSIONS = dg.DynamicPartitionsDefinition(name="model_versions")
ONE_AT_A_TIME = "release"
"""The tag by whose value runs wait for each other (dagster.yaml)."""


class PartitionError(MLAssetsError):
    """A partition's key does not name a version of a model."""


def partition_key(model: str, version: int) -> str:
    """The key of a version: ``iris:v3``."""
    return f"{model}:v{version}"


def run_tags(model: str, version: int) -> dict[str, str]:
    """The tags of a run on a version: which one it is, and that others of it wait."""
    key = partition_key(model, version)
    return {"dagster/partition": key, ONE_AT_A_TIME: key}


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

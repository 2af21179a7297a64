"""What assets leave behind for later ones, as JSON beside the Parquet files."""

from ml_assets.core.spec import Scalar
from serving.runtime.spec import FrozenModel


class FileRecord(FrozenModel):
    """One file that a dataset was read from.

    Attributes:
        uri: Where it came from, without passwords.
        sha256: Its digest; empty for built-in data.
        rows: Its rows.
    """

    uri: str
    sha256: str
    rows: int


class DatasetRecord(FrozenModel):
    """The last good dataset.

    Attributes:
        version: Hash of its content.
        source: Where it came from, without passwords.
        rows: Its rows.
        files: The files that it was read from.
    """

    version: str
    source: str
    rows: int
    files: list[FileRecord]


class ExampleRequest(FrozenModel):
    """A request that a model answers: the body of `POST /predict`.

    Attributes:
        data: Values by column; missing numbers are None.
    """

    data: dict[str, list[object]]


class BestParameters(FrozenModel):
    """What a search found.

    Attributes:
        parameters: Values by name, for the estimator.
        made_for: Fingerprint of the settings that it belongs to.
        data_version: The dataset that it was searched on.
        validation_error: Error of the best parameters on the validation span.
        yaml_validation_error: Error of the YAML's own parameters there, never a smaller one.
        replaced_error: Error of the result that this one replaced, if it was on the same dataset.
    """

    parameters: dict[str, Scalar]
    made_for: str
    data_version: str
    validation_error: float
    yaml_validation_error: float
    replaced_error: float | None = None

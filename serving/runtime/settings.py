"""What whoever runs the service can set, by environment variables."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import AnyHttpUrl, BeforeValidator, Field, ValidationError, model_validator
from pydantic_core import PydanticCustomError

from serving.runtime.errors import MLAssetsError
from serving.runtime.spec import FrozenModel

LogLevel = Literal["debug", "info", "warning", "error"]


class SettingsError(MLAssetsError):
    """An environment variable of the service has a value that it can't have."""


class ServiceSettings(FrozenModel):
    """The settings of a service; each is read from the variable of its name in capitals.

    Attributes:
        workers: Processes that answer; each holds the model.
        max_concurrency: Requests that one worker has in hand, the one it computes included. One
            more is refused at once.
        max_large_requests: Of them those that are large, or do not say how large they are.
        max_body_bytes: Size of a request's body.
        max_rows: Rows of a request.
        body_seconds: How long a client may take to send a body.
        drain_seconds: How long a service that was told to stop still takes requests.
        api_keys_file: File with the SHA-256 digests of the keys, one of which a client must show;
            without the setting anybody may ask.
        feast_online_enabled: Whether `/predict/feast` answers.
        feast_online_url: Address of Feast's feature server.
        feast_online_seconds: How long the feature server may take to answer.
        support_contact: Whom the API's document names for questions: a URL or a mail address.
        log_level: The least level of what is logged; requests are logged as "info".
    """

    workers: Annotated[int, Field(ge=1, le=256)] = 1
    max_concurrency: Annotated[int, Field(ge=1, le=100_000)] = 64
    max_large_requests: Annotated[int, Field(ge=1, le=10_000)] = 16
    max_body_bytes: Annotated[int, Field(ge=1_000, le=1_000_000_000)] = 8_000_000
    max_rows: Annotated[int, Field(ge=1, le=10_000_000)] = 100_000
    body_seconds: Annotated[float, Field(gt=0, le=3600)] = 30.0
    drain_seconds: Annotated[float, Field(ge=0, le=20)] = 1.0
    api_keys_file: Path | None = None
    feast_online_enabled: bool = False
    feast_online_url: AnyHttpUrl | None = None
    feast_online_seconds: Annotated[float, Field(gt=0, le=60)] = 2.0
    support_contact: str = ""
    log_level: Annotated[LogLevel, BeforeValidator(str.lower)] = "info"

    @model_validator(mode="after")
    def _store_has_an_address(self) -> Self:
        if self.feast_online_enabled and self.feast_online_url is None:
            raise PydanticCustomError(
                "no_address",
                "FEAST_ONLINE_ENABLED needs FEAST_ONLINE_URL, where Feast's feature server is",
            )
        return self

    @property
    def limits(self) -> Mapping[str, float]:
        """What a client must keep to."""
        names = {
            "max_rows",
            "max_body_bytes",
            "max_concurrency",
            "max_large_requests",
            "body_seconds",
        }
        limits: dict[str, float] = self.model_dump(include=names)
        return limits

    @classmethod
    def variables(cls) -> dict[str, str]:
        """The environment variable of each setting."""
        return {name: name.upper() for name in cls.model_fields}

    @classmethod
    def read(cls, environment: Mapping[str, str]) -> Self:
        """The settings in an environment; an empty variable is as good as none.

        Raises:
            SettingsError: A variable's value is wrong; the message names it.
        """
        names = cls.variables()
        given = {name: environment.get(variable) for name, variable in names.items()}
        try:
            return cls.model_validate({name: value for name, value in given.items() if value})
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            place = "".join(f"{names[str(part)]}: " for part in first["loc"][:1])
            raise SettingsError(f"{place}{first['msg']}") from error

"""What `/predict/feast` reads: a time and entities from the body, features from the store."""

from dataclasses import dataclass

from serving.runtime.feature_store import service_name
from serving.runtime.http import logs
from serving.runtime.http.bodies import check_content_type, read_json
from serving.runtime.http.exchange import Exchange, HttpError
from serving.runtime.http.layouts import BodyLayout
from serving.runtime.http.metrics import Metrics
from serving.runtime.online_features import UnfitFeaturesError, question_of_rows
from serving.runtime.online_request import OnlineRequest
from serving.runtime.online_store import OnlineRows, OnlineStore, StoreError
from serving.runtime.predict import Question
from serving.runtime.served import ServedModel
from serving.runtime.settings import ServiceSettings

STORE_RETRY_SECONDS = 5
"""After how many seconds a client may ask again if the store was of no use."""


def store_of(settings: ServiceSettings) -> OnlineStore | None:
    """The store that the settings name, to which nothing is opened yet."""
    url = settings.feast_online_url
    if not settings.feast_online_enabled or url is None:
        return None
    return OnlineStore(
        url, seconds=settings.feast_online_seconds, connections=settings.max_concurrency
    )


@dataclass(frozen=True)
class OnlineQuestions:
    """Reads requests whose features are in the feature store.

    Attributes:
        served: The model that answers.
        settings: The service's settings.
        metrics: Where features that do not count are counted.
        store: The feature store; None while it is switched off.
    """

    served: ServedModel
    settings: ServiceSettings
    metrics: Metrics
    store: OnlineStore | None

    async def read_body(self, exchange: Exchange) -> bytes:
        """The body of a request.

        Raises:
            HttpError: The store is switched off (404), or the body is none that is read.
            DisconnectedError: The client went away.
        """
        self._opened()
        check_content_type(exchange)
        settings = self.settings
        return await exchange.read_body(most=settings.max_body_bytes, seconds=settings.body_seconds)

    def read_request(self, exchange: Exchange, body: bytes) -> OnlineRequest:
        """What a body asks for.

        Raises:
            HttpError: It is not JSON (400).
            RequestError: It has another structure.
        """
        content = read_json(body)
        exchange.layout = BodyLayout()
        timezone, most = self.served.model.manifest.timezone, self.settings.max_rows
        request = OnlineRequest.read(content, timezone=timezone, most=most)
        exchange.rows = len(request.entities)
        return request

    async def ask(self, request: OnlineRequest) -> OnlineRows:
        """What the store says about the entities of a request.

        Raises:
            HttpError: It is of no use now (503).
        """
        manifest = self.served.model.manifest
        service = service_name(manifest.name, self.served.version)
        store = self._opened()
        try:
            return await store.read(service, request.entities, manifest.feature_names)
        except StoreError as error:
            logs.service.warning("%s (%s)", error, store.address)
            headers = {"retry-after": str(STORE_RETRY_SECONDS)}
            raise HttpError(503, f"{error}; try again later", headers=headers) from error

    def question(self, request: OnlineRequest, rows: OnlineRows) -> Question:
        """What the model is asked.

        Raises:
            RequestError: The store has no features that the model can have.
        """
        try:
            return question_of_rows(self.served.model, request, rows)
        except UnfitFeaturesError as error:
            self.metrics.count_unfit(stale=error.stale, missing=error.missing)
            raise

    def _opened(self) -> OnlineStore:
        """The store.

        Raises:
            HttpError: It is switched off (404).
        """
        if self.store is None:
            raise HttpError(
                404,
                "the service reads no feature store; its operator switches that on with "
                "FEAST_ONLINE_ENABLED=true and FEAST_ONLINE_URL, the address of Feast's feature "
                "server",
            )
        return self.store

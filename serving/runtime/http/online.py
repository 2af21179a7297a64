"""What `/predict/feast` reads: a time and entities from the body, features from the store."""

from dataclasses import dataclass

from serving.runtime.feature_store import service_name
from serving.runtime.http.bodies import check_content_type, read_json
from serving.runtime.http.exchange import Exchange, HttpError
from serving.runtime.http.layouts import BodyLayout
from serving.runtime.http.metrics import Metrics
from serving.runtime.online_features import UnfitFeaturesError, question_of_rows
from serving.runtime.online_request import OnlineRequest
from serving.runtime.online_store import OnlineStore, StoreError
from serving.runtime.predict import Question
from serving.runtime.served import ServedModel
from serving.runtime.settings import ServiceSettings

RETRY_SECONDS = 5
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

    async def read(self, exchange: Exchange) -> Question:
        """What a request asks of the model.

        Raises:
            HttpError: The store is switched off (404), or of no use now (503), or the body is none
                that is read.
            RequestError: The request is wrong, or the store has no features that it can have.
            DisconnectedError: The client went away.
        """
        if self.store is None:
            raise HttpError(
                404,
                "the service reads no feature store; its operator switches that on with "
                "FEAST_ONLINE_ENABLED=true and FEAST_ONLINE_URL, the address of Feast's feature "
                "server",
            )
        request = await self._read_request(exchange)
        exchange.rows = len(request.entities)
        manifest = self.served.model.manifest
        service = service_name(manifest.name, self.served.version)
        try:
            rows = await self.store.read(service, request.entities, manifest.feature_names)
            return question_of_rows(self.served.model, request, rows)
        except StoreError as error:
            headers = {"retry-after": str(RETRY_SECONDS)}
            raise HttpError(503, f"{error}; try again later", headers=headers) from error
        except UnfitFeaturesError as error:
            self.metrics.count_unfit(stale=error.stale, missing=error.missing)
            raise

    async def _read_request(self, exchange: Exchange) -> OnlineRequest:
        check_content_type(exchange.header(b"content-type"))
        settings = self.settings
        body = await exchange.read_body(most=settings.max_body_bytes, seconds=settings.body_seconds)
        exchange.layout = BodyLayout()
        timezone = self.served.model.manifest.timezone
        return OnlineRequest.read(read_json(body), timezone=timezone, most=settings.max_rows)

"""MLflow's scoring protocol: requests of `mlflow models serve` get the same numbers here.

A request holds one table in one of four forms, or is CSV; columns that the model does not read
and other fields beside the form (`params`) are ignored. As MLflow casts a table to the model's
signature, text that is a number ("1.5") and booleans are numbers here, which `/predict` refuses;
and in `inputs` and `instances` whatever names an entity becomes text.

What MLflow's server answers and this service refuses:

* NaN and infinities, and an object with a field twice, which JSON does not have. Null is missing.
* A null for an entity in `inputs` and `instances`, which becomes the text "None" there.
* A `dataframe_split` whose `data` is not a list of lists, whose `columns` or `index` is not a list,
  or whose `index` has not one label for each row. pandas takes objects, a scalar, and text as a
  list of letters, and repeats a single row for each label.
* Records in `instances` without a field that others have, where MLflow moves up the values of the
  records below; null is there for it.
* The protocol of language models, a body with `messages`, `prompt` or `input`, and Parquet.
* In CSV, rows with more values than there are columns, of which pandas takes the first as labels,
  and text after the end of a quotation.
"""

import reprlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Self, TypeGuard

from serving.runtime.errors import RequestError
from serving.runtime.http.bodies import Body, check_content_type, read_json
from serving.runtime.http.exchange import JSON_TYPE, Exchange
from serving.runtime.http.layouts import PlacedProblem, pointer
from serving.runtime.http.tables import TableReader
from serving.runtime.manifest import ModelManifest
from serving.runtime.predict import Answer, EntityForecast

CSV_TYPE = "text/csv"
SPLIT, RECORDS, INPUTS, INSTANCES = FORMS = (
    "dataframe_split",
    "dataframe_records",
    "inputs",
    "instances",
)
TENSORS = (INPUTS, INSTANCES)
BOOLEANS = {"true": 1.0, "false": 0.0}


@dataclass(frozen=True)
class Invocations:
    """Reads the requests for one model.

    Attributes:
        tables: Reads tables with the columns of the model.
        numbers: The columns that hold numbers.
        entity: The column that names an entity; forecasts only.
    """

    tables: TableReader
    numbers: Sequence[str]
    entity: str | None = None

    @classmethod
    def of(cls, manifest: ModelManifest, *, max_rows: int) -> Self:
        """Reads the requests for the model of a manifest, of at most so many rows."""
        columns = manifest.columns
        if manifest.forecast is None:
            return cls(TableReader(manifest.feature_names, max_rows), manifest.feature_names)
        names = (manifest.timestamp_column, *columns.numeric, columns.entity)
        read = [name for name in names if name is not None]
        return cls(TableReader(read, max_rows), columns.numeric, columns.entity)

    def reader(self, exchange: Exchange) -> Callable[[bytes], Body]:
        """What reads the body of a request.

        Raises:
            HttpError: It is neither JSON nor CSV, or not in UTF-8 (415).
        """
        kind = check_content_type(exchange, taken=(JSON_TYPE, CSV_TYPE))
        return self.read_csv if kind == CSV_TYPE else self.read

    def read(self, body: bytes) -> Body:
        """The columns in a body of JSON.

        Raises:
            HttpError: The body is not JSON (400).
            RequestError: It has another structure.
        """
        form, content = _form(read_json(body))
        found = self._read_form(form, content)
        if self.entity is not None and self.entity in found.columns and form in TENSORS:
            ids = [_as_text(value) for value in found.columns[self.entity]]
            found = Body({**found.columns, self.entity: ids}, found.layout)
        return self._with_numbers(found, _number)

    def read_csv(self, body: bytes) -> Body:
        """The columns in a body of CSV.

        Raises:
            HttpError: The body is not CSV (400).
            RequestError: It has another structure.
        """
        return self._with_numbers(self.tables.read_csv(body), _csv_number)

    def _read_form(self, form: str, content: object) -> Body:
        if form == SPLIT:
            return self.tables.read_split(content, root=form)
        if form != RECORDS:
            if isinstance(content, dict):
                return self.tables.read_fields(content, root=form)
            if len(self.tables.names) == 1 and _is_column(content):
                return self.tables.read_values(content, root=form)
        return self.tables.read_records(content, root=form)

    def _with_numbers(self, body: Body, number: Callable[[object], object]) -> Body:
        """Numbers for what MLflow casts to numbers; anything else is left for its error."""
        given = [name for name in self.numbers if name in body.columns]
        kinds = set(map(type, chain.from_iterable(body.columns[name] for name in given)))
        if kinds.isdisjoint({str, bool}):
            return body
        numbers = {name: [*map(number, body.columns[name])] for name in given}
        return Body({**body.columns, **numbers}, body.layout)


def tell_predictions(answer: Answer) -> Mapping[str, object]:
    """The JSON object that MLflow's server answers with."""
    predictions = [
        prediction.values if isinstance(prediction, EntityForecast) else prediction
        for prediction in answer.predictions
    ]
    return {"predictions": predictions}


def _form(content: object) -> tuple[str, object]:
    """The one form that a body has, and what it holds."""
    if isinstance(content, dict):
        found = [form for form in FORMS if form in content]
        if len(found) == 1:
            return found[0], content[found[0]]
        if found:
            message = f"the body must have one of {', '.join(FORMS)}, but has {' and '.join(found)}"
            raise RequestError(*(PlacedProblem(message, path=pointer(form)) for form in found))
    message = f"the body must be an object with one of {', '.join(FORMS)}"
    raise RequestError(PlacedProblem(f"{message}, got {reprlib.repr(content)}"))


def _is_column(content: object) -> TypeGuard[list[object]]:
    return isinstance(content, list) and not any(isinstance(value, dict) for value in content)


def _as_text(value: object) -> object:
    """Text as NumPy makes it of a value; a list is no text to it, and null is missing."""
    return value if value is None or isinstance(value, str | list) else str(value)


def _number(value: object) -> object:
    """The number that a text or a boolean stands for; the value itself if it is none."""
    if isinstance(value, bool):
        return int(value)
    if not isinstance(value, str):
        return value
    try:
        number = float(value)
    except ValueError:
        return value
    return None if number != number else number  # noqa: PLR0124  NaN is missing


def _csv_number(value: object) -> object:
    found = BOOLEANS.get(value.lower()) if isinstance(value, str) else None
    return _number(value) if found is None else found

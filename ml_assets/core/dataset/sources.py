"""Reads the source that a model's YAML file names: simulated, bundled, or files."""

import logging
from collections import Counter
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import repeat
from urllib.parse import parse_qsl, urlsplit

import pandas as pd
import pyarrow as pa
from sklearn.datasets import load_iris

from ml_assets.core.dataset.files import BUILT_IN, protocol_of, shown_uri, stored_files
from ml_assets.core.dataset.frames import ARROW_TEXT, TEXT, string_column
from ml_assets.core.dataset.layout import Layout
from ml_assets.core.dataset.simulator import parse_simulation, run
from ml_assets.core.dataset.tables import SourceFile, read_table
from ml_assets.core.errors import DataError, SourceError
from ml_assets.core.spec import SourceSpec
from serving.runtime.spec import ColumnSpec, Task

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class Readings:
    """What a source holds, not validated yet.

    Attributes:
        frame: The columns of the YAML file under their own names and nothing else: timestamp
            (datetime64[us, UTC]), entity, inputs and target (float64, NaN where missing); the
            target of a classification is text. Text is ``string[pyarrow]``: it compares, groups
            and sorts as any column of text does, at a tenth of the memory of Python strings. Rows
            are in the order of the files, which is that of their names.
        files: Where the rows come from, in the order of the rows.
    """

    frame: pd.DataFrame
    files: tuple[SourceFile, ...]

    def place(self, row: int) -> str:
        """File and row, in words, of the row at a position counted from 0."""
        for file in self.files:
            if row < file.rows:
                return file.place(row)
            row -= file.rows
        raise IndexError(row)


def read_source(source: SourceSpec, columns: ColumnSpec, *, task: Task = "forecast") -> Readings:
    """Reads all rows of a source.

    Args:
        source: What to read: ``simulated://transformers?entities=3&days=730&seed=7`` (see
            `.simulator`), ``sklearn://iris``, or a path, glob, http(s) or s3 URL of
            CSV or Parquet files.
        columns: Which column is what. A file without the entity's column is one entity, called
            like the file without its suffix.
        task: What the model does; the target of a classification is read as text.

    Raises:
        SourceError: The source can't be read, or is not the file with that sha256.
        DataError: Its content is wrong; the message names file, column and row where there is one.
    """
    layout = Layout(columns, source.timezone, labels=task == "classification")
    protocol = protocol_of(source.uri)
    if protocol not in BUILT_IN:
        return _read_files(source, layout)
    if source.sha256:
        raise SourceError(f"{source.uri} is built in and has no sha256; leave it away")
    table = _simulated(source.uri) if protocol == "simulated" else _bundled(source.uri)
    return _built_in(source.uri, table, layout)


def _built_in(uri: str, table: pd.DataFrame, layout: Layout) -> Readings:
    kinds = layout.select(uri, list(table.columns))
    for name, kind in kinds.items():
        if kind == "number" and name != layout.columns.target and table[name].dtype != float:
            raise DataError(f"{uri}: column {name!r} holds no numbers; choose another in columns")
    file = SourceFile(uri, "", len(table), range(1, len(table) + 1))
    # A selection is a copy, which a large simulation can do without.
    return Readings(table if [*kinds] == [*table.columns] else table[[*kinds]], (file,))


def _simulated(uri: str) -> pd.DataFrame:
    parts = urlsplit(uri)
    if parts.netloc != "transformers" or parts.path.strip("/"):
        raise SourceError(f"unknown simulator in {uri}; the one there is: simulated://transformers")
    pairs = parse_qsl(parts.query, keep_blank_values=True)
    twice = {name for name, _ in pairs if [other for other, _ in pairs].count(name) > 1}
    if twice:
        raise SourceError(f"{uri} gives {min(twice)!r} more than once; give it once")
    return run(parse_simulation(dict(pairs)))


def _bundled(uri: str) -> pd.DataFrame:
    """Fisher's irises: 150 flowers, four lengths in cm, and the name of the species."""
    if uri != "sklearn://iris":
        raise SourceError(f"unknown data set {uri}; the bundled one is sklearn://iris")
    data = load_iris()
    names = [name.removesuffix(" (cm)").replace(" ", "_") for name in data.feature_names]
    frame = pd.DataFrame(data.data, columns=names)
    frame["species"] = string_column(data.target, list(data.target_names))
    return frame


def _read_files(source: SourceSpec, layout: Layout) -> Readings:
    files, stems, tables = [], [], []
    with closing(stored_files(source)) as found:
        for stored in found:
            file, table = read_table(stored, layout)
            _LOG.info("read %s rows of %s", f"{file.rows:,}", file.uri)
            files.append(file)
            stems.append(stored.stem)
            tables.append(table)
    _check_entities(shown_uri(source.uri), tables, stems, layout)
    table = pa.concat_tables(map(_with_entity, tables, stems, repeat(layout.columns)))
    del tables
    frame = table.to_pandas(types_mapper={ARROW_TEXT: TEXT}.get, self_destruct=True)
    del table
    pa.default_memory_pool().release_unused()
    return Readings(frame, tuple(files))


def _check_entities(
    uri: str, tables: Sequence[pa.Table], stems: Sequence[str], layout: Layout
) -> None:
    """Refuses files that leave open which entity their rows belong to."""
    entity = layout.columns.entity
    if entity is None:
        if layout.columns.timestamp and len(tables) > 1:
            raise DataError(f"{uri} names {len(tables)} files; give columns.entity a name for them")
        return
    pairs = zip(tables, stems, strict=True)
    without = [stem for table, stem in pairs if entity not in table.column_names]
    if 0 < len(without) < len(tables):
        raise DataError(f"{uri}: {without[0]} has no column {entity!r}, but other files have")
    twice = [stem for stem, count in Counter(without).items() if count > 1]
    if twice:
        raise DataError(f"{uri}: files are entities, but {twice[0]} is there twice; rename one")


def _with_entity(table: pa.Table, stem: str, columns: ColumnSpec) -> pa.Table:
    """The table with the entity's column after the timestamp; a new one holds the file's stem."""
    if columns.entity is None or columns.entity in table.column_names:
        return table
    names = pa.repeat(pa.scalar(stem, ARROW_TEXT), table.num_rows)
    return table.add_column(int(columns.timestamp is not None), columns.entity, names)

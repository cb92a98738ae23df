"""Tables as files in CSV, JSON or Parquet, written part by part while their rows come.

A part goes as a batch of one column of bytes without nulls, so that the body of its message is the part itself (but for
zeros up to a multiple of eight), and the MIME type stands beside it. A message without a batch, as the vendor's server
would send one, is nothing that a server in Python can write.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import NamedTuple

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

from reference.fraiseql.gateway.literals import identifier

SCHEMA = pa.schema([pa.field("data", pa.uint8(), nullable=False)])
_Writer = type[pyarrow.csv.CSVWriter] | type[pyarrow.parquet.ParquetWriter]


class Format(NamedTuple):
    """One kind of file.

    Args:
        mime: its type.
        select: makes the statement whose rows go into it, of the one that selects the table's, and of their columns.
        parts: what writes it.
    """

    mime: str
    select: Callable[[str, pa.Schema], str]
    parts: Callable[[pa.Schema, Iterable[pa.RecordBatch]], Iterator[bytes]]

    def batches(self, schema: pa.Schema, rows: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """Yield the parts of a file as they are sent."""
        for part in self.parts(schema, rows):
            if part:
                data = pa.Array.from_buffers(pa.uint8(), len(part), [None, pa.py_buffer(part)])
                yield pa.record_batch([data], schema=SCHEMA)


class _Sink(io.RawIOBase):
    """A file that is taken away while it is written."""

    def __init__(self) -> None:
        super().__init__()
        self._kept: list[bytes] = []
        self._written = 0

    def writable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._written

    def write(self, content: bytes) -> int:  # type: ignore[override]
        self._kept.append(bytes(content))
        self._written += len(content)
        return len(content)

    def take(self) -> bytes:
        taken = b"".join(self._kept)
        self._kept.clear()
        return taken


def _written_by(kind: _Writer) -> Callable[[pa.Schema, Iterable[pa.RecordBatch]], Iterator[bytes]]:
    """Return what writes rows with a writer of pyarrow's."""

    def parts(schema: pa.Schema, rows: Iterable[pa.RecordBatch]) -> Iterator[bytes]:
        sink = _Sink()
        with kind(sink, schema) as writer:
            for batch in rows:
                writer.write_batch(batch)
                yield sink.take()
        yield sink.take()

    return parts


def _lines(_schema: pa.Schema, rows: Iterable[pa.RecordBatch]) -> Iterator[bytes]:
    for batch in rows:
        yield "".join(f"{line}\n" for line in batch.column(0).to_pylist()).encode()


def _as_it_is(selection: str, _schema: pa.Schema) -> str:
    return selection


def _as_lines(selection: str, _schema: pa.Schema) -> str:
    return f"SELECT row_to_json(t)::text FROM ({selection}) AS t"  # noqa: S608 - a statement of ours


def _with_text(selection: str, schema: pa.Schema) -> str:
    """Let PostgreSQL write what pyarrow does not write into CSV, such as a uuid or an array."""
    names = [(identifier(field.name), any(fits(field.type) for fits in _IN_CSV)) for field in schema]
    columns = ", ".join(name if fits else f"{name}::text AS {name}" for name, fits in names)
    return f"SELECT {columns} FROM ({selection}) AS t"  # noqa: S608 - a statement of ours


_IN_CSV = (
    pa.types.is_boolean,
    pa.types.is_integer,
    pa.types.is_floating,
    pa.types.is_string,
    pa.types.is_date,
    pa.types.is_timestamp,
)
_JSON = Format("application/x-ndjson", _as_lines, _lines)
FORMATS: Mapping[str, Format] = {
    "csv": Format("text/csv", _with_text, _written_by(pyarrow.csv.CSVWriter)),
    "json": _JSON,
    "ndjson": _JSON,
    "parquet": Format("application/octet-stream", _as_it_is, _written_by(pyarrow.parquet.ParquetWriter)),
}

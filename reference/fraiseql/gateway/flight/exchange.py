"""DoExchange: requests and answers as JSON beside the batches of one stream, told apart by their correlation ids."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.flight as fl

from reference.fraiseql.gateway.flight.errors import Refused, meant
from reference.fraiseql.gateway.flight.live import LiveQueries
from reference.fraiseql.gateway.flight.patience import Patience
from reference.fraiseql.gateway.flight.tickets import LARGEST
from reference.fraiseql.gateway.flight.uploads import Uploads

SCHEMA = pa.schema([("result", pa.string())])


class Exchange:
    """Answers the requests of one stream after the other.

    Args:
        queries: what answers Query.
        uploads: what answers Upload.
    """

    def __init__(self, queries: LiveQueries, uploads: Uploads) -> None:
        self._queries, self._uploads = queries, uploads
        self._kinds = {"Query": self._query, "Upload": self._upload, "Subscribe": self._subscribe}

    def serve(self, reader: Any, writer: fl.MetadataRecordBatchWriter, patience: Callable[[], Patience]) -> None:
        """Answer until the client has said all; each request gets a patience of its own.

        Raises:
            Refused: a message is no request.
        """
        writer.begin(SCHEMA)
        while (message := _next(reader)) is not None:
            if "Complete" in message:
                return
            request = message.get("Request")
            correlation, kind, arguments = _parts(request)
            try:
                self._kinds[kind](correlation, arguments, writer, patience())
            except Exception as error:  # noqa: BLE001 - it is for this one request; the stream goes on
                _answer(writer, correlation, {"Err": str(meant(error))})

    def _query(
        self, correlation: str, asked: Mapping[str, Any], writer: fl.MetadataRecordBatchWriter, patience: Patience
    ) -> None:
        text = self._queries.json(_text(asked, "query"), asked.get("variables"), patience)
        writer.write_batch(pa.record_batch([pa.array([text], pa.string())], schema=SCHEMA))
        writer.write_metadata(orjson.dumps({"Complete": {"correlation_id": correlation}}))

    def _upload(
        self, correlation: str, asked: Mapping[str, Any], writer: fl.MetadataRecordBatchWriter, patience: Patience
    ) -> None:
        table = _text(asked, "table")
        self._uploads.allow(table)
        try:
            with pa.ipc.open_stream(bytes(asked.get("batch") or b"")) as rows:
                batches = list(rows)
        except (pa.ArrowException, OSError, ValueError, TypeError) as error:
            raise Refused(f"batch is no stream of Arrow batches: {error}") from None
        done = self._uploads.upload(table, rows.schema, batches, patience)
        _answer(writer, correlation, {"Ok": list(done.encode())})

    def _subscribe(
        self, correlation: str, asked: Mapping[str, Any], writer: fl.MetadataRecordBatchWriter, patience: Patience
    ) -> None:
        _answer(writer, correlation, {"Err": "Subscribe is not implemented: nothing publishes events to Flight"})


def _next(reader: Any) -> Mapping[str, Any] | None:
    """Read one message; None at the end."""
    try:
        content = reader.read_chunk().app_metadata
    except StopIteration:
        return None
    if content is None or content.size > LARGEST:
        raise Refused(f"A message is JSON of at most {LARGEST} bytes beside a batch or alone")
    try:
        message = orjson.loads(content.to_pybytes())
    except orjson.JSONDecodeError as error:
        raise Refused(f"A message is no JSON: {error}") from None
    if not isinstance(message, dict):
        raise Refused("A message is no JSON object")
    return message


def _parts(request: Any) -> tuple[str, str, Mapping[str, Any]]:
    """Return correlation id, kind and arguments of a request."""
    try:
        correlation = request["correlation_id"]
        ((kind, arguments),) = request["request_type"].items()
    except (TypeError, KeyError, ValueError, AttributeError):
        raise Refused(
            'A message is {"Request":{"correlation_id":...,"request_type":{KIND:{...}}}} or Complete'
        ) from None
    if (
        not isinstance(correlation, str)
        or kind not in ("Query", "Upload", "Subscribe")
        or not isinstance(arguments, dict)
    ):
        raise Refused("A request is Query, Upload or Subscribe, with a correlation_id that is a string")
    return correlation, kind, arguments


def _text(arguments: Mapping[str, Any], name: str) -> str:
    if not isinstance(arguments.get(name), str):
        raise Refused(f"{name} is not a string")
    return str(arguments[name])


def _answer(writer: fl.MetadataRecordBatchWriter, correlation: str, result: Mapping[str, Any]) -> None:
    writer.write_metadata(orjson.dumps({"Response": {"correlation_id": correlation, "result": result}}))

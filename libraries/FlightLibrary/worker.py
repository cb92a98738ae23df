"""What a process of its own does: it reads an answer and tells its memory, holds streams open, or serves rows bare."""

from __future__ import annotations

import contextlib
import gc
import json
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pyarrow as pa
from pyarrow import flight

from FlightLibrary.client import FlightConnection
from FlightLibrary.errors import FlightFailure
from FlightLibrary.graphql_http import HttpConnection, HttpFailure
from FlightLibrary.tickets import ROWS_OF_A_BATCH, GraphQLQuery, OptimizedView, Ticket

TRICKLE_SECONDS = 0.2  # between two batches that a trickling reader takes


def main() -> None:
    """Do the one job that standard input names."""
    order = json.loads(sys.stdin.readline())
    threading.Thread(target=_end_with_the_run, daemon=True).start()
    jobs: dict[str, Callable[..., None]] = {"read": _read, "hold": _hold, "serve": _serve}
    try:
        jobs[order.pop("job")](**order)
    except (FlightFailure, HttpFailure) as failure:
        _say({"failed": str(failure)})


def _end_with_the_run() -> None:
    """End when the process that gave the job has, however that one ends."""
    sys.stdin.read()
    os._exit(0)


def _read(
    *, over: str, address: str, token: str, ticket: Mapping[str, Any], keep: bool, deadline_seconds: float
) -> None:
    """Read one answer, over Flight or HTTP, and tell what memory that took.

    A first, small answer is read before the memory is looked at: what libraries need once is not the answer's.
    """
    reading: Any
    if over == "flight":
        with FlightConnection(address, token, deadline_seconds=deadline_seconds) as client:
            client.read(GraphQLQuery("{ users(limit: 1) { id } }"))
            before = _settled()
            began = _forget_the_peak()
            reading = client.read(_ticket(ticket), keep=keep)
            after = _settled()
            rows, size = reading.rows, reading.bytes
    else:
        with HttpConnection(address, deadline_seconds=deadline_seconds) as http:
            http.read("{ users(limit: 1) { id } }")
            before = _settled()
            began = _forget_the_peak()
            reading = http.read(ticket["query"], ticket.get("variables"))
            after = _settled()
            rows, size = len(reading.rows), reading.bytes
    _say(
        {
            "rows": rows,
            "bytes": size,
            "seconds": reading.seconds,
            "first_seconds": reading.first_seconds,
            "began": began,
            "before": before,
            "after": after,
            "peak": max(after, _status("VmHWM")),  # the kernel's mark may be behind by what it counts for each thread
        }
    )


def _hold(
    *, address: str, token: str, ticket: Mapping[str, Any], streams: int, trickle: bool, deadline_seconds: float
) -> None:
    """Open streams, read one batch of each and then no more, or one now and then; until the process is killed."""
    held = [FlightConnection(address, token, deadline_seconds=deadline_seconds) for _ in range(streams)]
    with contextlib.ExitStack() as open_:
        batches: list[Iterator[pa.RecordBatch]] = []
        for client in held:
            batches.append(open_.enter_context(client.stream(_ticket(ticket))))
            next(batches[-1])
        _say({"open": len(batches)})
        wake = threading.Event()
        while True:
            wake.wait(TRICKLE_SECONDS)  # never set: the process is killed, or ends with the run
            for stream in batches if trickle else ():
                with contextlib.suppress(StopIteration, FlightFailure):
                    next(stream)


def _serve(*, path: str) -> None:
    """Serve the rows of an Arrow file from memory, to whoever asks: pyarrow's own server and nothing else."""
    with pa.memory_map(path) as source:
        table = pa.ipc.open_file(source).read_all().combine_chunks()
    rows = pa.Table.from_batches(table.to_batches(max_chunksize=ROWS_OF_A_BATCH), table.schema)

    class Bare(flight.FlightServerBase):
        def do_get(self, context: flight.ServerCallContext, ticket: flight.Ticket) -> flight.FlightDataStream:
            return flight.RecordBatchStream(rows)

    server = Bare("grpc://127.0.0.1:0")
    _say({"address": f"grpc://127.0.0.1:{server.port}"})
    server.serve()


def _ticket(fields: Mapping[str, Any]) -> Ticket:
    return GraphQLQuery(**fields) if "query" in fields else OptimizedView(**fields)


def _settled() -> int:
    """Return the resident memory after what nobody holds has been given back."""
    gc.collect()
    pa.default_memory_pool().release_unused()
    return _status("VmRSS")


def _forget_the_peak() -> float:
    """Let the kernel begin anew to note the most resident memory; return when (epoch seconds)."""
    with open("/proc/self/clear_refs", "w", encoding="ascii") as file:
        file.write("5")
    return time.time()


def _status(name: str) -> int:
    with open("/proc/self/status", encoding="ascii") as file:
        line = next(line for line in file if line.startswith(f"{name}:"))
    return int(line.split()[1]) * 1024


def _say(answer: Mapping[str, Any]) -> None:
    os.write(1, json.dumps(answer).encode() + b"\n")

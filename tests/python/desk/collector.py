"""Owns a collector of OpenTelemetry that takes OTLP/HTTP in JSON and reads it by the official protobuf definitions alone: a member
that they do not know, or a value of another type, is an error and not passed over."""

import json
import queue
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

from google.protobuf.json_format import Parse
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

WAIT_SECONDS = 15
SIGNALS = {"/v1/logs": ExportLogsServiceRequest, "/v1/traces": ExportTraceServiceRequest}
# OTLP writes these three in hexadecimal, where the JSON form of protobuf has base64 for bytes.
IDS = {"traceId", "spanId", "parentSpanId"}


def _with_bytes(value: object) -> object:
    if isinstance(value, dict):
        return {
            name: b64encode(bytes.fromhex(inner)).decode() if name in IDS else _with_bytes(inner)
            for name, inner in value.items()
        }
    return [_with_bytes(inner) for inner in value] if isinstance(value, list) else value


class Collector:
    """What arrived at `url`: log records and spans, each with the attributes of its resource."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self.logs: queue.Queue = queue.Queue()
        self.spans: queue.Queue = queue.Queue()
        self.refused: list[str] = []

    def take(self, path: str, kind: str, body: bytes) -> int:
        """Reads a request: the status of the answer."""
        try:
            if kind != "application/json":
                raise ValueError(f"{kind} is no JSON")
            request = Parse(json.dumps(_with_bytes(json.loads(body))), SIGNALS[path]())
        except Exception as error:
            self.refused.append(f"{path}: {error!r}: {body.decode(errors='replace')}")
            return 400
        for resource in getattr(request, "resource_logs", []):
            for scope in resource.scope_logs:
                for record in scope.log_records:
                    self.logs.put((attributes(resource.resource), record))
        for resource in getattr(request, "resource_spans", []):
            for scope in resource.scope_spans:
                for span in scope.spans:
                    self.spans.put((attributes(resource.resource), span))
        return 200


def attributes(holder) -> dict[str, str | int]:
    """The attributes of a record, span or resource, by name."""
    return {each.key: getattr(each.value, each.value.WhichOneof("value")) for each in holder.attributes}


@contextmanager
def collecting() -> Iterator[Collector]:
    """Listens on a free port of 127.0.0.1."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            self.send_response(collector.take(self.path, self.headers["content-type"], body))
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        collector = Collector(http.server_port)
        Thread(target=http.serve_forever, daemon=True).start()
        try:
            yield collector
        finally:
            http.shutdown()

"""What the sinks of OpenTelemetry send, read by the official protobuf definitions of opentelemetry-proto: no program of ours says
what is right. `scripts/test` runs it."""

import unittest
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from opentelemetry.proto.logs.v1.logs_pb2 import SEVERITY_NUMBER_WARN
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from desk import server
from desk.collector import WAIT_SECONDS, attributes, collecting
from desk.engines import ENGINES

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
PARENT = "00f067aa0ba902b7"


def refused(origin: str) -> int:
    """A request without a token, within a client's trace: the status of the answer."""
    headers = {"content-type": "application/json", "traceparent": f"00-{TRACE}-{PARENT}-01"}
    try:
        with urlopen(Request(f"{origin}/mcp", data=b"{}", headers=headers)) as answer:
            return answer.status
    except HTTPError as error:
        return error.code


def first(arrived, holds) -> tuple:
    """The first of what arrives of which something holds; an error when nothing more comes."""
    while True:
        resource, one = arrived.get(timeout=WAIT_SECONDS)
        if holds(one):
            return resource, one


class Collected:
    """The stories. `engine` says on what they are told."""

    engine = None

    def test_events_arrive_as_log_records_and_requests_as_spans(self) -> None:
        with (
            self.engine() as database,
            collecting() as collector,
            server.running(database, {"otlp_endpoint": collector.url, "node": "one"}) as running,
        ):
            self.assertEqual(refused(running.origin), 401)
            resource, log = first(collector.logs, lambda log: log.event_name == "mcp.request")
            self.assertEqual(resource["service.name"], "portcullis")
            self.assertEqual(resource["service.instance.id"], "one")
            self.assertEqual((log.severity_number, log.body.string_value), (SEVERITY_NUMBER_WARN, "mcp.request refused"))
            told = attributes(log)
            self.assertEqual(told["portcullis.reason"], "token_missing")
            self.assertIsInstance(told["portcullis.sequence"], int)
            self.assertGreater(log.time_unix_nano, 1_700_000_000 * 10**9)
            self.assertEqual((len(log.trace_id), len(log.span_id)), (16, 8))

            _, span = first(collector.spans, lambda span: span.name == "mcp.request")
            self.assertEqual((span.kind, span.status.code), (Span.SPAN_KIND_SERVER, Status.STATUS_CODE_ERROR))
            self.assertLessEqual(span.start_time_unix_nano, span.end_time_unix_nano)
            self.assertEqual((span.trace_id, span.span_id), (log.trace_id, log.span_id))
            self.assertEqual(collector.refused, [])


for engine in ENGINES:
    name = f"Collected_{engine.__name__}"
    globals()[name] = type(name, (Collected, unittest.TestCase), {"engine": staticmethod(engine)})

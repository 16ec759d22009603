"""Owns the application's own loopback listener (RFC 8252 §7.3): the place where the browser brings the code back."""

import queue
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from urllib.parse import parse_qsl, urlsplit

WAIT_SECONDS = 15


class Callback:
    """A listener that keeps what browsers bring to `url`."""

    def __init__(self, port: int, answers: queue.Queue[dict[str, str]]) -> None:
        self.url = f"http://127.0.0.1:{port}/callback"
        self._answers = answers

    def answer(self) -> dict[str, str]:
        """The parameters of the next answer that the browser brings."""
        return self._answers.get(timeout=WAIT_SECONDS)


@contextmanager
def listening() -> Iterator[Callback]:
    """Listens on a free port of 127.0.0.1."""
    answers: queue.Queue[dict[str, str]] = queue.Queue()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            url = urlsplit(self.path)
            self.send_response(200 if url.path == "/callback" else 404)
            self.end_headers()
            if url.path == "/callback":
                answers.put(dict(parse_qsl(url.query)))

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield Callback(server.server_port, answers)
        finally:
            server.shutdown()

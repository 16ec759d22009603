"""Owns the life of one real portcullis process: a temporary data directory, a free port, start, stop, and a log at its most
talkative that must hold no secret (R9700-4.9.3-1, ASVS-16.2.5)."""

import json
import os
import re
import socket
import subprocess
import tempfile
import time
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.error import URLError
from urllib.parse import quote, urlencode
from urllib.request import Request, urlopen

REPOSITORY = Path(__file__).resolve().parents[3]
BINARY = Path(os.environ.get("PORTCULLIS_BIN", REPOSITORY / "target/debug/portcullis")).resolve()
START_SECONDS = 30
STOP_SECONDS = 5
# What is shaped like a secret of the server.
SECRET = re.compile(r"pcl_(?:at|rt|ac|cs|ar|dc|dr|xs|su|ms|dv)_[\w-]{40,}")


def free_port() -> int:
    """A port that was free on 127.0.0.1 a moment ago."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


def _clean_environment() -> dict[str, str]:
    """The environment of the tests, without the settings of a portcullis that the developer may run."""
    ours = ("PORTCULLIS_", "DATABASE_URL")
    return {name: value for name, value in os.environ.items() if not name.startswith(ours)}


class Program:
    """The binary on one directory of data and one database. `settings`: configuration keys, as `{"access_token_seconds": 2}`."""

    def __init__(self, directory: Path, database: list[str], settings: dict[str, int | str]) -> None:
        self.directory = directory
        self._base = [BINARY, "--data-dir", directory, *database]
        variables = {f"PORTCULLIS_{key.upper()}": str(value) for key, value in ({"log": "trace"} | settings).items()}
        self._environment = _clean_environment() | variables

    def start(self, *command: str) -> subprocess.Popen[bytes]:
        """Starts a command whose output goes to the files `printed` and `log`."""
        with open(self.directory / "log", "wb") as log, open(self.directory / "printed", "wb") as printed:
            whole, cwd = [*self._base, *command], self.directory
            return subprocess.Popen(whole, cwd=cwd, env=self._environment, stdout=printed, stderr=log)

    def run(self, *command: str) -> str:
        """Runs a command to its end, as an admin does: what it printed."""
        whole = [*self._base, *command]
        done = subprocess.run(whole, cwd=self.directory, env=self._environment, capture_output=True, text=True)
        if done.returncode != 0:
            raise RuntimeError(f"portcullis {' '.join(command)} ended with {done.returncode}: {done.stderr}")
        return done.stdout


class Server:
    """A running server. `demo` is what it wrote for scripts: the account and the MCP endpoint; `run` runs a command of an
    admin's on the same data."""

    def __init__(self, process: subprocess.Popen[bytes], program: Program, port: int) -> None:
        self._process = process
        self._directory = program.directory
        self.run = program.run
        self.origin = f"http://localhost:{port}"
        self.demo = self._until_ready()

    def _until_ready(self) -> dict[str, str]:
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            if self._process.poll() is not None:
                raise RuntimeError(f"portcullis ended while starting\n{self.log}")
            try:
                self.metadata()
                return json.loads((self._directory / "demo.json").read_text())
            except (URLError, FileNotFoundError):
                time.sleep(0.05)
        raise RuntimeError(f"portcullis was not ready after {START_SECONDS} s\n{self.log}")

    @property
    def log(self) -> str:
        """What the process printed and logged."""
        return (self._directory / "printed").read_text() + (self._directory / "log").read_text()

    def leaks(self) -> list[str]:
        """The lines of the log that hold a secret."""
        password = self.demo["password"]
        lines = (self._directory / "log").read_text().splitlines()
        return [line for line in lines if SECRET.search(line) or password in line]

    def metadata(self) -> dict:
        """The authorization server's metadata, as clients see it."""
        with urlopen(f"{self.origin}/.well-known/oauth-authorization-server") as answer:
            return json.load(answer)

    def revoke(self, token: str, client_id: str, client_secret: str) -> int:
        """RFC 7009, as a client with a secret does it: the status of the answer."""
        credentials = b64encode(f"{quote(client_id, safe='')}:{quote(client_secret, safe='')}".encode()).decode()
        request = Request(
            self.metadata()["revocation_endpoint"],
            data=urlencode({"token": token}).encode(),
            headers={"Authorization": f"Basic {credentials}"},
        )
        with urlopen(request) as answer:
            return answer.status


@contextmanager
def running(database: list[str], settings: dict[str, int | str]) -> Iterator[Server]:
    """`database`: arguments that name it. `settings`: configuration keys, as `{"access_token_seconds": 2}`."""
    with tempfile.TemporaryDirectory(prefix="portcullis-python-") as name:
        program, port = Program(Path(name), database, settings), free_port()
        where = ("--listen", f"127.0.0.1:{port}", "--public-url", f"http://localhost:{port}")
        process = program.start("serve", "--demo", *where)
        try:
            server = Server(process, program, port)
            yield server
        finally:
            _stop(process)
        if found := server.leaks():
            raise AssertionError("secrets stand in the log:\n" + "\n".join(found))


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()

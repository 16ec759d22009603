"""Owns the choice of the database: every story is told on SQLite, and again on PostgreSQL where
PORTCULLIS_TEST_POSTGRES names a server on which we may create databases."""

import os
import secrets
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

POSTGRES = os.environ.get("PORTCULLIS_TEST_POSTGRES")


def _psql(statement: str) -> None:
    quiet = os.environ | {"PGOPTIONS": "-c client_min_messages=warning"}
    command = ["psql", "--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1", "--command", statement, POSTGRES]
    subprocess.run(command, env=quiet, check=True)


@contextmanager
def sqlite() -> Iterator[list[str]]:
    """The arguments that name the database: none, it lies in the data directory."""
    yield []


@contextmanager
def postgresql() -> Iterator[list[str]]:
    """The arguments that name a database of the story's own."""
    name = f"python_{secrets.token_hex(8)}"
    _psql(f"CREATE DATABASE {name}")
    try:
        yield ["--database-url", urlsplit(POSTGRES)._replace(path=f"/{name}").geturl()]
    finally:
        _psql(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")


ENGINES = [sqlite, postgresql] if POSTGRES else [sqlite]

"""A PostgreSQL server on loopback, whose data lie in a folder of its own."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from glob import glob
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pyarrow as pa
import pytest

#: Debian keeps the server's programs out of the way.
PROGRAMS = os.pathsep.join([os.environ["PATH"], *glob("/usr/lib/postgresql/*/bin")])
SERVER = "postgres"  # who runs it when root asks, whom it refuses
LOGIN = "lake"
PASSWORD = "made-up/p@ss wörd%"  # full of characters that URLs encode


class Postgres:
    """One server with one empty database, which is gone afterwards, whatever happened."""

    def __enter__(self) -> Postgres:
        if not shutil.which("initdb", path=PROGRAMS):
            pytest.fail("PostgreSQL's server is needed: apt-get install postgresql")
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self._folder = Path(tempfile.mkdtemp(prefix="mailpartner-postgres-"))
        try:
            self._start()
        except BaseException:
            shutil.rmtree(self._folder)
            raise
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self._run("pg_ctl", "stop", "--wait", "--mode=immediate")
        finally:
            shutil.rmtree(self._folder)

    @property
    def connection(self) -> dict[str, Any]:
        """Airflow's connection to it."""
        place = {"host": "127.0.0.1", "port": self.port, "schema": "postgres"}
        return {"conn_type": "postgres", "login": LOGIN, "password": PASSWORD, **place}

    def ingest(self, name: str, rows: pa.Table) -> None:
        """Create a table with these rows."""
        with self._cursor() as cursor:
            cursor.adbc_ingest(name, rows, mode="create")

    def query(self, text: str) -> list[tuple]:
        """Run a statement; return its rows."""
        with self._cursor() as cursor:
            cursor.execute(text)
            return cursor.fetchall()

    @contextmanager
    def _cursor(self) -> Iterator[Any]:
        from adbc_driver_postgresql import dbapi

        password = quote(PASSWORD, safe="")
        place = f"postgresql://{LOGIN}:{password}@127.0.0.1:{self.port}/postgres"
        with dbapi.connect(place, autocommit=True) as connection, connection.cursor() as cursor:
            yield cursor

    def _start(self) -> None:
        password = self._folder / "password"
        password.write_text(PASSWORD)
        if os.geteuid() == 0:  # whom PostgreSQL refuses
            for path in (self._folder, password):
                shutil.chown(path, SERVER)
        login = [f"--username={LOGIN}", "--auth=scram-sha-256", f"--pwfile={password}"]
        self._run("initdb", "--no-sync", "--encoding=UTF8", "--locale=C", *login)
        settings = f"-c port={self.port} -c listen_addresses=127.0.0.1 -c fsync=off"
        settings += " -c unix_socket_directories=''"
        log = f"--log={self._folder / 'log'}"
        self._run("pg_ctl", "start", "--wait", log, f"--options={settings}")

    def _run(self, program: str, *arguments: str) -> None:
        subprocess.run(
            [shutil.which(program, path=PROGRAMS), *arguments],
            env={**os.environ, "PGDATA": str(self._folder / "data")},
            cwd=self._folder,
            user=SERVER if os.geteuid() == 0 else None,
            group=SERVER if os.geteuid() == 0 else None,
            stdout=subprocess.DEVNULL,
            check=True,
        )

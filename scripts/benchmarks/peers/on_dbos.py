"""DBOS: a workflow per event, whose one step is a transaction of its datasource.

The workflow's id is the event's number, so that handing an event in again has no effect. Modes:
`sqlite`, its default database, and `postgres`, which its documentation recommends for production.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path

import sqlalchemy as sa
from contract import Adapter, Output, inputs, main, timed
from dbos import DBOS, SetWorkflowID, SQLAlchemyDatasource

THREADS = {"sqlite": 4, "postgres": 16}
COUNT = sa.text(
    "INSERT INTO counters VALUES (:key, 1) ON CONFLICT (key)"
    " DO UPDATE SET count = counters.count + 1 RETURNING count"
)


class OnDbos(Adapter):
    """One process with threads."""

    def _address(self, folder: Path, mode: str) -> str:
        if mode == "sqlite":
            return f"sqlite:///{folder / 'dbos.sqlite'}"
        return f"postgresql+psycopg://postgres@localhost/counters?host={folder / 'pg'}"

    def _programs(self) -> Path:
        places = [*Path("/usr/lib/postgresql").glob("*/bin"), Path("/usr/local/bin")]
        return next(place for place in places if (place / "initdb").exists())

    def _server(self, folder: Path) -> None:
        """Start PostgreSQL with the settings that it has by default, if it does not run."""
        home = folder / "pg"
        programs = self._programs()
        pidfile = home / "postmaster.pid"
        if pidfile.exists() and Path(f"/proc/{pidfile.read_text().split()[0]}").exists():
            return
        pidfile.unlink(missing_ok=True)
        user = "postgres" if os.getuid() == 0 else None
        options = ("-c", "listen_addresses=", "-c", f"unix_socket_directories={home}")
        with (folder / "pg.log").open("ab") as log:
            subprocess.Popen(
                [programs / "postgres", "-D", home, *options], user=user, stdout=log, stderr=log
            )
        ready: list[str | Path] = [programs / "pg_isready", "-h", home]
        while subprocess.run(ready, stdout=subprocess.DEVNULL, check=False).returncode:
            time.sleep(0.05)

    def prepare(self, folder: Path, mode: str) -> None:
        """As `Adapter.prepare`."""
        if mode == "postgres":
            home = folder / "pg"
            home.mkdir()
            user = "postgres" if os.getuid() == 0 else None
            if user:
                folder.chmod(0o755)
                home.parent.parent.chmod(0o755)
                shutil.chown(home, user)
            programs = self._programs()
            trusting = ("-A", "trust", "-U", "postgres")
            initdb: list[str | Path] = [programs / "initdb", "-D", home, *trusting]
            subprocess.run(initdb, user=user, stdout=subprocess.DEVNULL, check=True)
            self._server(folder)
            named = ("-U", "postgres", "counters")
            subprocess.run([programs / "createdb", "-h", home, *named], check=True)
        engine = sa.create_engine(self._address(folder, mode))
        with engine.begin() as connection:
            connection.execute(sa.text("CREATE TABLE counters (key TEXT PRIMARY KEY, count INT)"))
        engine.dispose()

    def _launch(self, folder: Path, mode: str) -> None:
        if mode == "postgres":
            self._server(folder)
        address = self._address(folder, mode)
        DBOS(
            config={
                "name": "counter",
                "system_database_url": address,
                "application_version": "1",
                "log_level": "ERROR",
                "run_admin_server": False,
                "sys_db_pool_size": 20,
            }
        )
        source = SQLAlchemyDatasource.create(address)

        @source.transaction(
            isolation_level="READ COMMITTED" if mode == "postgres" else "SERIALIZABLE"
        )
        def add(key: str) -> int:
            return int(source.sql_session().execute(COUNT, {"key": key}).scalar_one())

        @DBOS.workflow()
        def count(key: str) -> int:
            return int(add(key))

        self.count = count
        DBOS.launch()

    def _call(self, key: str, value: int) -> dict[str, object]:
        with SetWorkflowID(f"event-{value}"):
            return {"key": key, "value": value, "count": self.count(key)}

    def run(self, folder: Path, mode: str) -> None:
        """As `Adapter.run`."""
        output = Output(folder)
        self._launch(folder, mode)
        left = (event for event in inputs(folder) if event[1] not in output.written)
        with ThreadPoolExecutor(THREADS[mode]) as threads:
            while some := list(islice(left, 200)):
                for found in threads.map(lambda event: self._call(*event), some):
                    output.write([found])
        DBOS.destroy()

    def trips(self, folder: Path, mode: str, count: int) -> list[float]:
        """As `Adapter.trips`."""
        self._launch(folder, mode)
        trips = timed(lambda n: self._call(f"key-{n % 1000}", n), count)
        DBOS.destroy()
        return trips


if __name__ == "__main__":
    main(OnDbos())

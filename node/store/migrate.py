"""From whatever version a database file has to the one this program reads.

Decides when a file is created, copied and swapped; never changes the file that is in use. Spec: 14-store, STO-8.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from sqlalchemy import inspect, select

from node.store.errors import StoreError
from node.store.sqlite import INTEGRITY, copy, plainly, sync_engine
from node.store.steps import LEAST, STEPS, Step, create
from node.store.tables import schema_version


def migrate(path: Path, steps: Sequence[Step] = STEPS) -> None:
    """Brings the database at `path`, or none, to version len(steps); raises StoreError.

    An older one is backed up to `path`.vN, migrated as a copy, checked and swapped in by a rename.
    """
    fresh = path.with_name(path.name + ".new")
    _remove(fresh)  # what an interrupted migration left
    with plainly(path):
        version = _version(path)
        if version > len(steps):
            message = f"{path}: written by a newer version of wltm; update this one to read it"
            raise StoreError("STO-8", message)
        if version == 0:
            _run(path, (create,), len(steps))
        elif version < len(steps):
            backup = path.with_name(f"{path.name}.v{version}")
            if not backup.exists():  # a migration that failed half-way has made it already
                _copy(path, fresh)
                os.replace(fresh, backup)
            _copy(path, fresh)
            _run(fresh, steps[version:], len(steps))
            _swap(fresh, path)


def _version(path: Path) -> int:
    engine = sync_engine(path)
    try:
        with engine.connect() as connection:
            if not inspect(connection).has_table(schema_version.name):
                return 0
            version: int = connection.execute(select(schema_version.c.version)).scalar_one()
            return version
    finally:
        engine.dispose()


def _run(path: Path, steps: Sequence[Step], version: int) -> None:
    engine = sync_engine(path)
    try:
        with engine.connect().execution_options(durable=True) as connection:
            with connection.begin():
                for step in steps:
                    step(connection)
                connection.execute(schema_version.delete())
                connection.execute(schema_version.insert(), {"version": version, "least": LEAST})
            verdict = connection.execute(INTEGRITY).scalar_one()
            if verdict != "ok":
                raise StoreError("STO-6", f"{path}: damaged after the migration ({verdict}); the old file is unchanged")
    finally:
        engine.dispose()


def _copy(source: Path, target: Path) -> None:
    copy(source, target)
    _sync(target)


def _swap(fresh: Path, path: Path) -> None:
    _sync(fresh)
    for suffix in ("-wal", "-shm"):  # closing the last connection emptied them
        path.with_name(path.name + suffix).unlink(missing_ok=True)
    os.replace(fresh, path)
    _sync(path.parent)


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _remove(path: Path) -> None:
    for suffix in ("", "-wal", "-shm", "-journal"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)

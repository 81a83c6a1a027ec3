"""Everything a backup takes, as it stood at one moment, while the node goes on writing.

Decides that facts and records belong together; never what is done with them. Spec: 18-keeping, KEP-6.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Literal

from sqlalchemy import select

from node.store.log import Store
from node.store.tables import NETWORK, facts, records

_SCOPE = "scope/"  # the facts that name what this node follows for itself
_FEW = 20  # records read at a time: with the largest that there are, some 1.3 MB


async def snapshot(store: Store) -> AsyncIterator[tuple[Literal["fact", "record"], str, bytes]]:
    """("fact", name, value) of this node by name, then ("record", scope, raw) of every scope that it follows for
    itself, each scope in the order in which it came. Raises StoreError.
    """
    database = store._database
    with database.plainly():
        async with database.engine.connect() as plain:
            one_moment = {"isolation_level": "REPEATABLE READ"} if database.shared else {}  # SQLite knows nothing less
            connection = await plain.execution_options(**one_moment)
            async with connection.begin():
                own = select(facts.c.name, facts.c.value).where(facts.c.node == store._node).order_by(facts.c.name)
                kept = [line for line in (await connection.execute(own)).all() if line.name != NETWORK]
                for line in kept:
                    yield "fact", line.name, line.value
                for scope in (line.name.removeprefix(_SCOPE) for line in kept if line.name.startswith(_SCOPE)):
                    after, said = 0, select(records.c.position, records.c.raw).where(records.c.scope == scope)
                    said = said.order_by(records.c.position).limit(_FEW)
                    while page := (await connection.execute(said.where(records.c.position > after))).all():
                        for line in page:
                            yield "record", scope, line.raw
                        after = page[-1].position

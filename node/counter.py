"""A supplier's counter: what its program may hand over beside commands, and the key that opens no more than that.

Decides how a file becomes commands: it is read beside the loop, compared with what is kept, and only what differs is
told to the core, some articles at a time. Spec: 16-supplier, SUP-5 to SUP-7.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from node.prices import Changes, PriceList, Reading, by_sku, changes, read
from node.webhooks import Hooks
from protocol.commands import AskArticles, PutArticles
from protocol.coop.template import Template
from protocol.deal.offer import Offer, flat, from_flat
from protocol.errors import CommandError

BATCH = 250  # (g) articles in one commit: some ten ms of the loop
NAMED_MAX = 1_000  # articles that an answer names of each sort
_PAGE = 1_000


@dataclass(frozen=True, slots=True)
class Take:
    """How a file is to be taken: only looked at, its good articles although others are bad, beside what is there."""

    reading: Reading = field(default_factory=Reading)
    preview: bool = False
    partial: bool = False
    upsert: bool = False


class Counter:
    """`submit` asks the running node; `key` opens the supplier's part of the local API."""

    def __init__(
        self,
        submit: Callable[[Any], Awaitable[Any]],
        template_of: Callable[[str], Template | None],
        hooks: Hooks,
        key: str,
    ) -> None:
        self.hooks, self.key = hooks, key
        self._submit, self._template_of = submit, template_of
        self._turn = asyncio.Lock()  # one file at a time: each may take a hundred MiB

    async def take(self, category: str, region: str, data: bytes, how: Take) -> dict[str, Any]:
        """What a price list changes, and whether it was taken. Raises CommandError SUP-1 to SUP-5, INT-1."""
        template = self._template_of(category)
        if template is None:
            raise CommandError("INT-1", f"category: {category[:32]!r} is unknown here")
        async with self._turn:
            found = await asyncio.to_thread(read, data, template, how.reading)
            before = await self._kept(category, region, template)
            change = await asyncio.to_thread(changes, before, found, not how.upsert)
            good = not found.wrong or how.partial
            if good and not how.preview:
                await self._put(category, region, template, (*change.new, *change.changed), change.gone)
        return _told(found, change, good and not how.preview)

    async def _kept(self, category: str, region: str, template: Template) -> dict[str, Offer]:
        kept: dict[str, Offer] = {}
        after, more = "", True
        while more:
            page = await self._submit(AskArticles(category, region, after, _PAGE))
            if page["rows"]:
                kept |= by_sku(from_flat(page["rows"], template))
            after, more = page["last"], page["more"]
        return kept

    async def _put(
        self, category: str, region: str, template: Template, offers: Sequence[Offer], gone: Sequence[str]
    ) -> None:
        for start in range(0, len(gone), BATCH):
            await self._submit(PutArticles(category, region, (), tuple(gone[start : start + BATCH])))
        for start in range(0, len(offers), BATCH):
            rows = [row for one in offers[start : start + BATCH] for row in flat(one, template)]
            await self._submit(PutArticles(category, region, tuple(rows)))


def _told(found: PriceList, change: Changes, taken: bool) -> dict[str, Any]:
    return {
        "taken": taken,
        "articles": len(found.offers),
        "new": len(change.new),
        "changed": len(change.changed),
        "same": change.same,
        "gone": len(change.gone),
        "wrong": found.wrong,
        "named": {
            "new": [one.sku for one in change.new[:NAMED_MAX]],
            "changed": [one.sku for one in change.changed[:NAMED_MAX]],
            "gone": list(change.gone[:NAMED_MAX]),
        },
        "complaints": [asdict(one) for one in found.complaints],
        "notes": list(found.notes),
    }

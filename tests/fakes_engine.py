"""`FakeEngine`: the smallest engine with every behaviour the daemon must cope with.

A body is {"number": n, "do": what}: "" is taken, "reject", "ignore", "break" (raises half-way), "wait" (until another
record is there). Commands are pairs: ("say", n) signs a record, ("list", scope) answers its numbers, ("keep", name,
value), ("fact", name), ("refuse",), ("break",), ("compute", function, arguments), ("never",).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from protocol import events as ev
from protocol.commands import AskStatus
from protocol.encoding import digest_of
from protocol.errors import CommandError, Ignore, Reject
from protocol.identity import Persona
from protocol.params import DAY_MS
from protocol.record.outline import Outline
from protocol.record.record import Record

NETWORK = bytes(range(32))
ME, OTHER = Persona.from_seed(b"m" * 32), Persona.from_seed(b"o" * 32)
SCOPE = "coop/fake"


def said(number: int, do: str = "", scope: str = SCOPE, author: Persona = OTHER) -> Record:
    """Record `number`, asking the fake engine to `do` something."""
    body = {"number": number, "do": do}
    start = 1_000 + number
    return Record.sign(author, NETWORK, "entry.1", scope, body, created=start, expires=start + DAY_MS)


class FakeEngine:
    """A context is a dict of the records of its scope."""

    def __init__(self) -> None:
        self.deadline: int | None = None
        self.contexts: dict[str, dict[bytes, Record]] = {}
        self.peers: dict[str, bool] = {}
        self.ticks: list[int] = []
        self.computed: list[Any] = []
        self.messages: list[bytes] = []
        self.facts: dict[str, bytes] = {}
        self.pending: dict[bytes, Record] = {}
        self.busy: set[str] = set()
        self.contexts_max = 1000
        self.quiet = False  # no notices

    def needs(self, event: ev.Event) -> tuple[str, ...]:
        match event:
            case ev.RecordReceived(record):
                scope = record.scope
            case ev.Submit(_, ("list", scope)):
                pass
            case ev.Submit(_, ("say", _)) | ev.Submit(_, ("break",)):
                scope = SCOPE
            case _:
                return ()
        return () if scope in self.contexts else (scope,)

    def load(self, scope: str, rows: Iterable[Record | Outline]) -> None:
        assert scope not in self.contexts
        self.contexts[scope] = {record.id: record for record in rows if isinstance(record, Record)}

    def scopes(self) -> tuple[str, ...]:
        return (SCOPE,)

    def carries(self, scope: str) -> bool:
        return False

    def asked(self) -> tuple[str, ...]:
        return tuple(self.contexts)

    def ended(self, now: int) -> tuple[str, ...]:
        return ()

    def recall(self, facts: Mapping[str, bytes]) -> None:
        self.facts = dict(facts)

    def forget(self, scope: str) -> None:
        del self.contexts[scope]

    def resident(self) -> tuple[str, ...]:
        return tuple(self.contexts)

    def surplus(self) -> tuple[str, ...]:
        least = max(0, len(self.contexts) - self.contexts_max)
        return tuple(scope for scope in list(self.contexts)[:least] if scope not in self.busy)

    def digest(self, scope: str) -> bytes:
        return digest_of("state", sorted(self.contexts[scope]))

    def numbers(self, scope: str = SCOPE) -> list[int]:
        return [record.body["number"] for record in self.contexts[scope].values()]

    def handle(self, event: ev.Event, now: int) -> list[ev.Effect]:
        match event:
            case ev.RecordReceived(record, peer):
                return self._record(record, peer)
            case ev.Submit(request, command):
                return self._command(request, command)
            case ev.PeerConnected(peer, outbound):
                self.peers[peer] = outbound
                return [ev.Send(peer, b"hello"), ev.Notify("peers", {"count": len(self.peers)})]
            case ev.PeerDisconnected(peer):
                self.peers.pop(peer, None)
                return []
            case ev.MessageReceived(peer, message):
                return self._message(peer, message)
            case ev.Tick():
                self.ticks.append(now)
                self.deadline = None
                return self._take(said(len(self.ticks) + 9_000, author=ME), own=True)
            case ev.Computed(job, result):
                self.computed.append(result)
                return [ev.Reply(int(job), result)]
        raise AssertionError(event)

    def _record(self, record: Record, peer: str) -> list[ev.Effect]:
        if record.id in self.contexts[record.scope]:
            return []
        match record.body["do"]:
            case "reject":
                raise Reject("REC-4", "bad for ever")
            case "ignore":
                raise Ignore("GOS-8", "not here")
            case "wait" if not self.contexts[record.scope]:
                self.pending[record.id] = record
                return [ev.Send(peer, b"want its refs")]
            case "break":
                self.contexts[record.scope][record.id] = record
                raise ZeroDivisionError("half-way")
        effects = self._take(record, own=False, but=peer)
        waiting, self.pending = self.pending, {}
        return effects + [effect for one in waiting.values() for effect in self._take(one, own=False)]

    def _take(self, record: Record, own: bool, but: str = "") -> list[ev.Effect]:
        self.contexts.setdefault(record.scope, {})[record.id] = record
        to = tuple(peer for peer in self.peers if peer != but)
        notes = [] if self.quiet else [ev.Notify("record", {"number": record.body["number"]})]
        return [ev.Store(record, own), ev.Publish(record, to), *notes]

    def _message(self, peer: str, message: bytes) -> list[ev.Effect]:
        self.messages.append(message)
        if message == b"bad":
            raise Reject("GOS-1", "no message")
        if message.startswith(b"want"):
            return [ev.SendRecords(peer, SCOPE, tuple(self.contexts.get(SCOPE, {})))]
        return []

    def _command(self, request: int, command: Any) -> list[ev.Effect]:
        match command:
            case ("say", number):
                return [*self._take(said(number, author=ME), own=True), ev.Reply(request, number)]
            case ("list", scope):
                return [ev.Reply(request, self.numbers(scope))]
            case ("keep", name, value):
                self.facts[name] = value
                return [ev.Keep(name, value), ev.Reply(request, True)]
            case ("fact", name):
                return [ev.Reply(request, self.facts.get(name))]
            case ("compute", name, arguments):
                return [ev.Compute(str(request), name, arguments)]
            case ("break",):
                self.contexts[SCOPE].clear()
                raise ZeroDivisionError("half-way")
            case ("never",):
                return []
            case AskStatus():
                return [ev.Reply(request, {"role": "home"})]
        raise CommandError("API-1", "cannot be done")

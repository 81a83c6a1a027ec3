"""What is done on purpose, by nodes that otherwise run the honest engine: each behaviour has a name.

An adversary holds its own key, sees every honest node's state, and decides message by message what each one gets. It
cannot sign for others, and it cannot stop honest nodes from talking to each other.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from protocol.coop.box import manifest, manifest_ids
from protocol.encoding import digest, encode
from protocol.errors import Reject
from protocol.events import Event, RecordReceived
from protocol.identity import network_id
from protocol.record.record import Record, Slot
from tests.sim.world import NETWORK, Arriving, Node, RawReceived, World, opened, sealed, shameless

WITNESS_KINDS = ("accept.1", "receipt.1", "proposal.1", "vote.1")
PERSONAL_KINDS = ("pledge.1", "nomination.1", "ballot.1", "commitment.1")
SEALED = ("quotation.1", "ballot.1")  # to the witnesses, in shares
RELEASES = ("reveal.1", "count.1")  # of these shares
STEP_MS = 400
ELSEWHERE = network_id("elsewhere", b"seed")

MEMBERS_DO = ("split", "double", "mute", "dark", "forge", "flood", "hide reveal", "garble reveal")
NEGOTIATORS_DO = ("hide request", "hide mention", "two requests", "odd request", "room for some")
SUPPLIERS_DO = ("garble quotation", "seal to some", "seal to few", "bend shares", "two quotations")
WITNESSES_DO = ("hide reveal", "garble reveal", "two reveals", "mute")
RELAYS_DO = ("withhold",)
Change = Callable[[Node, str, Record], list[Record]]  # (sender, receiver, record) -> what goes out instead


class Adversaries:
    """All hostile nodes of a world: `roles` says what each of them does."""

    def __init__(self, world: World, roles: Mapping[str, Sequence[str]], dark_at: int = 0) -> None:
        self.world, self.roles, self.dark_at = world, roles, dark_at
        self.twins: dict[tuple[bytes, bytes], Record] = {}
        self._changes: Mapping[str, Change] = {
            "split": self._split,
            "double": self._double,
            "mute": lambda node, to, one: [] if one.kind in WITNESS_KINDS[1:] and _own(node, one) else [one],
            "hide reveal": partial(_hide, RELEASES),
            "hide request": partial(_hide, ("rfq.1",)),
            "hide mention": partial(_hide, ("deal.1",)),
            "two requests": self._two_requests,
            "odd request": self._odd_request,
            "many proposals": self._many_proposals,
            "many charters": self._many_charters,
            "room for some": self._room,
            "garble quotation": self._garble_quotation,
            "seal to some": partial(self._noise, 1),
            "seal to few": partial(self._noise, 2),
            "bend shares": self._bend,
            "two quotations": self._two_quotations,
            "garble reveal": self._garble_reveal,
            "two reveals": self._two_reveals,
            "withhold": lambda node, to, one: [] if digest("withheld", one.id + to.encode())[0] < 100 else [one],
        }
        self._deeds: Mapping[str, Callable[[Node], None]] = {
            "split": self._whisper,
            "forge": self._forge,
            "flood": self._flood,
        }
        world.tamper = self.tamper
        for name in roles:
            shameless(world.nodes[name])
            world.at(world.now + STEP_MS, partial(self._act, name))

    def tamper(self, sender: str, receiver: str, event: Event) -> Sequence[Arriving]:
        """What goes out instead of what the honest engine would send."""
        roles = self.roles.get(sender, ())
        if "dark" in roles and self.world.now >= self.dark_at:
            return []
        if not isinstance(event, RecordReceived):
            return [event]
        records = [event.record]
        for role in roles:
            change = self._changes.get(role)
            if change is not None:
                records = [new for one in records for new in self._changed(change, sender, receiver, one)]
        return [RecordReceived(one, sender) for one in records]

    def _changed(self, change: Change, sender: str, receiver: str, record: Record) -> list[Record]:
        """A record as it is changed; one in an envelope is changed inside, and sealed again."""
        node = self.world.nodes[sender]
        inner = opened(node, record)
        if inner is record or record.author != node.persona.key:
            return change(node, receiver, record)
        return [record if one is inner else self._sealed(node, record, one) for one in change(node, receiver, inner)]

    def _sealed(self, node: Node, envelope: Record, inner: Record) -> Record:
        if inner.scope != envelope.scope:
            return inner
        key = envelope.id, inner.id
        if key not in self.twins:
            self.twins[key] = sealed(node, envelope, inner)
        return self.twins[key]

    def twin(self, node: Node, record: Record, **changes: Any) -> Record:
        """Another record for the same slot, signed by the same hostile key."""
        body = {**record.body, **changes}
        key = record.id, encode(body)
        if key not in self.twins:
            header = record.header
            self.twins[key] = Record.sign(
                node.persona,
                NETWORK,
                record.kind,
                record.scope,
                body,
                created=header.created,
                expires=header.expires,
                slot=header.slot,
                refs=header.refs,
            )
        return self.twins[key]

    def _act(self, name: str) -> None:
        node = self.world.nodes[name]
        self.world.at(self.world.now + STEP_MS, partial(self._act, name))
        if node.engine is None or ("dark" in self.roles[name] and self.world.now >= self.dark_at):
            return
        for role in self.roles[name]:
            if role in self._deeds:
                self._deeds[role](node)

    def _send(self, node: Node, receiver: str, raw: bytes) -> None:
        self.world.post(node.name, receiver, RawReceived(raw, node.name))

    def _linked(self, node: Node) -> list[str]:
        pairs = [pair for pair in self.world.links if node.name in pair]
        return [one if other == node.name else other for one, other in pairs]

    # Votes

    def _split(self, node: Node, receiver: str, record: Record) -> list[Record]:
        """Each receiver gets the vote it is closest to having a quorum with; proposals differ by receiver."""
        if not _own(node, record):
            return [record]
        if record.kind == "proposal.1" and digest("side", receiver.encode())[0] % 2:
            try:
                ids = manifest_ids(record.body["value"])
            except Reject:
                return [record]
            return [self.twin(node, record, value=manifest(ids[:-1]), valid_round=-1)] if ids else [record]
        if record.kind == "vote.1":
            wanted = self._wanted(receiver, record.scope, record.body)
            return [record if wanted is None else self.twin(node, record, value=wanted)]
        return [record]

    def _wanted(self, receiver: str, scope: str, body: Mapping[str, Any]) -> bytes | None:
        engine = self.world.nodes[receiver].engine
        if engine is None or scope not in engine._core.contexts:
            return None
        votes = engine._core.contexts[scope].docket._votes.get((body["question"], body["round"], body["step"]), {})
        return max(sorted(votes), key=lambda value: len(votes[value]), default=None)

    def _whisper(self, node: Node) -> None:
        """To each neighbour alone: the vote that it lacks, in whatever round it is, for whatever it leans to."""
        for receiver in self._linked(node):
            engine = self.world.nodes[receiver].engine
            if engine is None or self.world.rng.random() < 0.5:
                continue
            for context in list(engine._core.contexts.values()):
                ours = context.log.by(node.persona.key, "accept.1")
                for (question, number, step), votes in list(context.docket._votes.items()):
                    if ours and len(votes) == 1 and sum(len(cast) for cast in votes.values()) < 3:
                        self._vote(node, receiver, context.scope, ours[0], question, number, step, next(iter(votes)))

    def _vote(
        self, node: Node, to: str, scope: str, base: Record, question: str, number: int, step: str, value: bytes
    ) -> None:
        body = {"question": question, "round": number, "step": step, "value": value}
        key = scope.encode(), encode(body)
        if key not in self.twins:
            header = base.header
            slot = Slot("once", f"{question}/{number}/{step}", 0)
            self.twins[key] = Record.sign(
                node.persona,
                NETWORK,
                "vote.1",
                scope,
                body,
                created=self.world.now,
                expires=header.expires,
                slot=slot,
                refs=header.refs,
            )
        self._send(node, to, self.twins[key].raw)

    # What members and suppliers sign

    def _double(self, node: Node, receiver: str, record: Record) -> list[Record]:
        """Two ballots, pledges, nominations or commitments, one for each half of the town."""
        if record.kind not in PERSONAL_KINDS or not _own(node, record):
            return [record]
        other = {
            "pledge.1": {"want": record.body.get("want", 0) + 1},
            "nomination.1": {"statement": "I am somebody else to you."},
            "ballot.1": {"cipher": record.body.get("cipher", b"")[::-1]},
            "commitment.1": {"answer": "decline", "reason": "price", "remark": ""},
        }[record.kind]
        side = digest("half", receiver.encode())[0] % 2
        return [self.twin(node, record, **other) if side else record]

    def _garble_quotation(self, node: Node, receiver: str, record: Record) -> list[Record]:
        if record.kind != "quotation.1" or not _own(node, record):
            return [record]
        shares = [[bytes(80), bytes(32)]] * len(record.body["shares"])
        return [self.twin(node, record, cipher=bytes(len(record.body["cipher"])), shares=shares)]

    def _noise(self, count: int, node: Node, receiver: str, record: Record) -> list[Record]:
        """Noise instead of their shares for so many witnesses."""
        if record.kind not in SEALED or not _own(node, record):
            return [record]
        shares = [[bytes(80) if at < count else one, hashed] for at, (one, hashed) in enumerate(record.body["shares"])]
        return [self.twin(node, record, shares=shares)]

    def _bend(self, node: Node, receiver: str, record: Record) -> list[Record]:
        """What the first witness is promised lies on no polynomial with the others."""
        if record.kind not in SEALED or not _own(node, record):
            return [record]
        (first, _), *others = record.body["shares"]
        return [self.twin(node, record, shares=[[first, bytes(32)], *others])]

    def _two_quotations(self, node: Node, receiver: str, record: Record) -> list[Record]:
        if record.kind != "quotation.1" or not _own(node, record):
            return [record]
        return [self.twin(node, record, commit=bytes(32)) if digest("r", receiver.encode())[0] % 2 else record]

    def _room(self, node: Node, receiver: str, record: Record) -> list[Record]:
        """The room's secret for every second place, noise for the others."""
        if record.kind != "deal.1" or not _own(node, record):
            return [record]
        keys = [key if at % 2 else bytes(80) for at, key in enumerate(record.body["keys"])]
        return [self.twin(node, record, keys=keys)]

    def _garble_reveal(self, node: Node, receiver: str, record: Record) -> list[Record]:
        if record.kind not in RELEASES or not _own(node, record):
            return [record]
        return [self.twin(node, record, shares=[[one, bytes(len(share))] for one, share in record.body["shares"]])]

    def _two_reveals(self, node: Node, receiver: str, record: Record) -> list[Record]:
        if record.kind not in RELEASES or not _own(node, record):
            return [record]
        return [self.twin(node, record, shares=[]) if digest("r", receiver.encode())[0] % 2 else record]

    def _two_requests(self, node: Node, receiver: str, record: Record) -> list[Record]:
        if record.kind != "rfq.1" or not _own(node, record) or digest("rfq", receiver.encode())[0] % 2:
            return [record]
        return [self.twin(node, record, nonce=bytes(16))]

    def _odd_request(self, node: Node, receiver: str, record: Record) -> list[Record]:
        """A request whose box of quotations closes in three years, and its mention in the co-op."""
        if record.kind not in ("rfq.1", "deal.1") or not _own(node, record):
            return [record]
        rfq = record if record.kind == "rfq.1" else node.records.get(record.body["rfq"])
        if rfq is None or rfq.body["times"]["quote_ms"] == 10**11:
            return [record]  # the odd one already, come back from others
        odd = self.twin(node, rfq, times=dict(rfq.body["times"]) | {"quote_ms": 10**11})
        return [odd if record is rfq else self.twin(node, record, rfq=odd.id)]

    def _many_proposals(self, node: Node, receiver: str, record: Record) -> list[Record]:
        """To one half so many proposals of a round that no room is left for the one that the other half gets."""
        if record.kind != "proposal.1" or not _own(node, record) or digest("many", receiver.encode())[0] % 2:
            return [record]
        return [self.twin(node, record, value=b"junk %d" % number) for number in range(6)]

    def _many_charters(self, node: Node, receiver: str, record: Record) -> list[Record]:
        """One charter signed many times, with stamps and ends that would suit its founder; some for each half."""
        if record.kind != "charter.1" or not _own(node, record):
            return [record]
        first = 1 if digest("charters", receiver.encode())[0] % 2 else 6
        made, lasts = record.header.created, record.header.expires - record.header.created
        spans = [
            (made + number, made + number + (lasts if number % 2 else 20_000)) for number in range(first, first + 12)
        ]
        return [*(self._again(node, record, *span) for span in spans), record]

    def _again(self, node: Node, record: Record, created: int, expires: int) -> Record:
        key = record.id, encode([created, expires])
        if key not in self.twins:
            header, kind, scope = record.header, record.kind, record.scope
            self.twins[key] = Record.sign(
                node.persona, NETWORK, kind, scope, record.body, created=created, expires=expires, slot=header.slot
            )
        return self.twins[key]

    # Forgery and flood

    def _forge(self, node: Node) -> None:
        """Bytes that no honest node may take, to somebody at random; most of them cost the link."""
        linked = self._linked(node)
        records = [one for one in node.records.values() if one.author != node.persona.key]
        if not linked or not records or self.world.rng.random() < 0.7:
            return
        rng, now = self.world.rng, self.world.now
        receiver, victim = rng.choice(linked), rng.choice(records)
        header, body = victim.header, dict(victim.body)
        mine = partial(Record.sign, node.persona, kind=victim.kind, scope=victim.scope, body=body, slot=header.slot)
        forgeries: tuple[Callable[[], bytes], ...] = (
            lambda: forged(
                victim.author, victim.kind, victim.scope, body, now, header.expires, header.slot, header.refs
            ),
            lambda: mine(network=ELSEWHERE, created=now, expires=header.expires, refs=header.refs).raw,
            lambda: mine(network=NETWORK, created=now + 3_600_000, expires=now + 7_200_000, refs=header.refs).raw,
            lambda: mine(network=NETWORK, created=now, expires=max(now + 1, header.expires), refs=header.refs).raw,
            lambda: victim.raw[: rng.randrange(len(victim.raw))],
            lambda: victim.raw[:-1] + bytes([victim.raw[-1] ^ 1]),
            lambda: victim.raw,
        )
        self._send(node, receiver, rng.choice(forgeries)())

    def _flood(self, node: Node) -> None:
        """Records that are good and mean nothing, wherever this node has a say."""
        scopes, created = sorted({one.scope for one in node.records.values()}), self.world.now
        for receiver in self._linked(node):
            if self.world.rng.random() < 0.2:
                body, scope = {"noise": self.world.rng.randbytes(16)}, self.world.rng.choice(scopes)
                end = created + 600_000
                one = Record.sign(node.persona, NETWORK, "noise.1", scope, body, created=created, expires=end)
                self._send(node, receiver, one.raw)


def forged(
    author: bytes,
    kind: str,
    scope: str,
    body: Mapping[str, Any],
    created: int,
    expires: int,
    slot: Slot | None,
    refs: Sequence[bytes],
) -> bytes:
    """A record in somebody's name, right in everything but its signature."""
    data = encode(dict(body))
    where = [] if slot is None else [slot.mode, slot.name, slot.seq]
    fields = [NETWORK, kind, author, scope, where, created, max(expires, created + 1), sorted(refs)]
    return encode([encode([*fields, digest("body", data), len(data)]), bytes(64), data])


def _hide(kinds: Sequence[str], node: Node, receiver: str, record: Record) -> list[Record]:
    return [] if record.kind in kinds and _own(node, record) else [record]


def _own(node: Node, record: Record) -> bool:
    return record.author == node.persona.key

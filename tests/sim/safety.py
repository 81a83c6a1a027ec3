"""What must hold at every moment of every run, whoever lies: looked at with every record that any node stores.

Never two certified values for one question; nobody honest signs twice in a `once` slot, or anything that only a person
may sign without that person's command, or is spoken for by somebody else; nothing acknowledged is lost.
"""

from __future__ import annotations

from dataclasses import dataclass

from protocol.coop.decision import Council, Docket
from protocol.engine.deal.dealing import computed_award, coop_of
from protocol.engine.silence import keeping
from protocol.events import Event, Submit
from protocol.record.record import Record
from tests.sim.world import Node, World, opened

HUMAN = tuple(
    "pledge.1 nomination.1 ballot.1 deal.1 commitment.1 intent.1 attestation.1 recall.1 event.1"
    " cancel.1 consent.1 substitute.1 renewal.1".split()
)


@dataclass
class Violation(AssertionError):
    """A rule that did not hold, and the seed that shows it."""

    rule: str
    detail: str
    seed: int

    def __str__(self) -> str:
        return f"{self.rule}: {self.detail} (seed {self.seed})"


class Safety:
    """Watches a world. `hostile`: names of nodes that are not expected to keep any rule."""

    def __init__(self, world: World, hostile: tuple[str, ...] = ()) -> None:
        self.world, self.hostile = world, hostile
        self._seen: dict[bytes, None] = {}
        self._outer: dict[bytes, bytes] = {}  # inner id -> the envelope's
        self._once: dict[tuple[str, bytes, str, str], bytes] = {}
        self._dockets: dict[str, Docket] = {}
        self._councils: dict[str, Council] = {}
        self.certified: dict[tuple[str, str], bytes] = {}
        world.watchers.append(self.stored)

    def fail(self, rule: str, detail: str) -> None:
        """Ends the run."""
        raise Violation(rule, detail, self.world.seed)

    def stored(self, node: Node, record: Record, own: bool, event: Event) -> None:
        """One record on one disk, and what it holds if it is an envelope."""
        inner = opened(node, record)
        if inner is not record:
            self._outer[inner.id] = record.id
            self._look(node, inner, own, event)
        self._look(node, record, own, event)

    def _look(self, node: Node, record: Record, own: bool, event: Event) -> None:
        if record.id in self._seen:
            return
        self._seen[record.id] = None
        author = self.author(record)
        if author is not None and author.name not in self.hostile:
            self._check_author(author, node, record, own, event)
        if record.kind in ("charter.1", "rfq.1"):
            self._councils.setdefault(record.scope, Council(tuple(record.body["witnesses"]), b""))
        docket = self._dockets.setdefault(record.scope, Docket())
        docket.note(record)
        if record.kind == "vote.1":
            self._check_certificates(docket, record)

    def author(self, record: Record) -> Node | None:
        """The node whose persona signed it."""
        return next((one for one in self.world.nodes.values() if one.persona.key == record.author), None)

    def _check_author(self, author: Node, node: Node, record: Record, own: bool, event: Event) -> None:
        if not (own and node is author) and not self.world.speak_first:
            self.fail("nobody speaks for another", f"{record.kind} of {author.name} came from {node.name}")
        if own and record.kind in HUMAN and not isinstance(event, Submit):
            self.fail("only a person's command commits", f"{record.kind} of {author.name} after {type(event).__name__}")
        slot, key = record.header.slot, record.header.slot_key
        once = slot is not None and key is not None and slot.mode == "once"
        if once and key is not None and self._once.setdefault(key, record.id) != record.id:
            self.fail("nobody signs twice in one slot", f"{author.name} in {key[2]} {key[3]}")

    def _check_certificates(self, docket: Docket, vote: Record) -> None:
        council, body = self._councils.get(vote.scope), vote.body
        if council is None or body["step"] != "precommit" or not body["value"]:
            return
        cast = docket.count(body["question"], body["round"], "precommit", council, body["value"])
        if cast >= council.quorum:
            key = vote.scope, body["question"]
            if self.certified.setdefault(key, body["value"]) != body["value"]:
                self.fail("one certified value for one question", f"{key}")

    def check_disks(self) -> None:
        """Everything a command's reply named is still there, and so is everything an honest node signed."""
        for node in self.honest():
            lost = [one for one in node.acknowledged if self._outer.get(one, one) not in node.records]
            if lost:
                self.fail("nothing acknowledged is lost", f"{len(lost)} records of {node.name}")

    def check_views(self) -> None:
        """Every honest node reads the same mandate and award out of the same records, and computes the award itself."""
        said: dict[tuple[str, str], bytes] = {}
        for node in self.honest():
            if node.engine is None:
                continue
            core = node.engine._core
            if keeping(core).state:
                self.fail("nobody takes itself for a twin", f"{node.name}: {keeping(core)}")
            for context in core.contexts.values():
                view = context.coop(core.settings) if context.family == "coop" else None
                deal = context.deal(core.settings) if context.family == "deal" else None
                if view is not None and view.mandate is not None:
                    self._same(said, (context.scope, f"mandate {view.term}"), view.mandate.to_bytes(), node)
                if deal is None or deal.award is None:
                    continue
                self._same(said, (context.scope, "award"), deal.award.value, node)
                self._same(said, (context.scope, "agreements"), b"".join(one.hash for one in deal.agreements), node)
                coop = coop_of(core, deal)
                value = computed_award(core, context, deal, coop) if coop is not None else None
                if value is not None and value != deal.award.value:
                    self.fail("every member computes the award", f"{node.name} computes another in {context.scope}")

    def honest(self) -> list[Node]:
        """Nodes from which something can be demanded."""
        return [node for node in self.world.nodes.values() if node.name not in self.hostile]

    def _same(self, said: dict[tuple[str, str], bytes], key: tuple[str, str], value: bytes, node: Node) -> None:
        if value and said.setdefault(key, value) != value:
            self.fail("every member reads the same", f"{key} at {node.name}")

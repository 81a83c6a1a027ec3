"""Records and gossip that are well framed and ill meant, against a real relay with an honest member beside it.

Whatever a stranger sends, the relay stays the same two processes in bounded memory, answers its API all the while, and
carries the honest member's next intent.
"""

import operator
import os
import random
import socket
import sys
import threading
import time
from collections import deque
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any, TypeVar

import msgpack
import pytest
import trio

from node.cli.client import Client
from node.config import load
from node.mesh.wire import Ack, Frame, Ping, Pong, Records, encode_frame
from node.mesh.wire import Message as MessageFrame
from node.presets import presets
from node.template import load as load_template
from protocol import events as ev
from protocol.commands import Watch
from protocol.coop.charter import charter_hash, coop_scope
from protocol.coop.template import scaled
from protocol.encoding import digest, encode
from protocol.engine import Engine, Settings
from protocol.identity import Persona
from protocol.network.gossip import Answer, Message, Subscribe, Sync, Unsubscribe, Want, encode_message, parse_message
from protocol.network.index import Index
from protocol.network.sync import initiate
from protocol.params import (
    DEALS_EMPTY_MAX,
    INTEGER_MAX,
    LIVE_INTENTS_MAX,
    ONCE_HELD_MAX,
    SCOPES_PER_MESSAGE_MAX,
    SCOPES_PER_PEER_MAX,
    SYNC_MESSAGE_BYTES_MAX,
    WANT_IDS_MAX,
)
from protocol.record.record import Record, Slot
from tests.attacks.hostile import HELLO, Hostile
from tests.e2e.test_crash import Node

pytestmark = [pytest.mark.skipif(sys.platform != "linux", reason="reads memory from /proc"), pytest.mark.timeout(240)]
PATIENCE_S = 60.0
ANSWER_S_MAX = 20.0  # of the API under attack, on machines that do much else
FLOOD_S = 6.0  # of messages without end
SPEED = 2000
MIB = 1 << 20
MESH_BYTES_MAX, DAEMON_BYTES_MAX = 384 * MIB, 384 * MIB
SCOPE_BYTES_MAX = 1024  # of a carried scope: as many as GOS-3 allows are under 100 MiB
BATCH = 100
REGION = "u1"
BOARD = f"board/electricity/{REGION}"
TEMPLATE = scaled(load_template("electricity"), SPEED).hash
T = TypeVar("T")


def processes(pid: int) -> list[int]:
    """A node's own process and its mesh's."""
    return [pid, *map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split())]


def resident(pid: int) -> int:
    """Bytes of memory a process uses."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def _answers(batch: int, frame: Frame) -> bool:
    return isinstance(frame, Ack) and frame.batch == batch


@dataclass
class Stranger:
    """A peer with a hand on every byte it sends, that waits for the relay's answers as an honest one would."""

    hostile: Hostile
    batches: Iterator[int] = field(default_factory=lambda: count(1))
    heard: deque[Frame] = field(default_factory=deque)

    @classmethod
    async def enter(cls, address: str, network: bytes) -> "Stranger":
        return cls(await (await Hostile.connect(address)).greet(hello=replace(HELLO, network=network)))

    async def say(self, *frames: Frame) -> None:
        data = b"".join(map(encode_frame, frames))
        for start in range(0, len(data), 60_000):
            part = data[start : start + 60_000]
            while self.hostile.room < len(part):  # paused (MSH-30)
                self.heard.append(await self.hostile.hear())
            await self.hostile.data(part)

    async def hear(self, test: Callable[[Frame], bool]) -> Frame:
        """The next frame that passes; pings on the way are answered."""
        while True:
            frame = self.heard.popleft() if self.heard else await self.hostile.hear()
            if isinstance(frame, Ping):
                await self.say(Pong(frame.n))
            elif test(frame):
                return frame

    async def verdicts(self, *raws: bytes) -> tuple[str, ...]:
        """What the relay makes of each record, once it has committed those it takes."""
        codes: tuple[str, ...] = ()
        for start in range(0, len(raws), BATCH):
            batch = next(self.batches)
            await self.say(Records(batch, raws[start : start + BATCH]))
            answer = await self.hear(partial(_answers, batch))
            assert isinstance(answer, Ack)
            codes += answer.codes
        return codes

    async def tell(self, *messages: Message | bytes) -> None:
        """Gossip, at the pace at which the relay reads it."""
        raws = [one if isinstance(one, bytes) else encode_message(one) for one in messages]
        for start in range(0, len(raws), 10):
            await self.say(*map(MessageFrame, raws[start : start + 10]), Ping(start))
            await self.hear(partial(operator.eq, Pong(start)))

    async def leave(self) -> None:
        await self.hostile.tcp.aclose()


@dataclass
class Place:
    """A relay, an honest member who keeps to it, and their APIs."""

    relay: Node
    member: Node
    intents: Iterator[int] = field(default_factory=lambda: count(1))
    pids: list[int] = field(default_factory=list)

    def begin(self) -> None:
        self.watch = Client(self.relay.home)
        self.honest = Client(self.member.home)
        self.network = load(self.relay.home, {}, {}).network.id
        self.pids = processes(self.watch.pid) + processes(self.honest.pid)
        assert len(self.pids) == 4
        self.watch.post("/watch", {"category": "electricity", "region": REGION})  # it takes part, and so judges
        self.arrives()

    def attack(self, story: Callable[[Stranger], Awaitable[T]]) -> T:
        """Runs an attack while the API is asked again and again; then nobody may have noticed anything."""
        over, slowest = threading.Event(), [0.0]

        def ask() -> None:
            while not over.wait(0.2):
                began = time.monotonic()
                Client(self.relay.home).get("/status")
                slowest.append(time.monotonic() - began)

        async def bounded() -> T:
            with trio.fail_after(PATIENCE_S * 2):
                stranger = await Stranger.enter(self.relay.addresses[0], self.network)
                try:
                    return await story(stranger)
                finally:
                    with trio.CancelScope(shield=True, deadline=trio.current_time() + 5):
                        await stranger.leave()

        asker = threading.Thread(target=ask)
        asker.start()
        try:
            result: T = trio.run(bounded)
        finally:
            over.set()
            asker.join()
        assert max(slowest) < ANSWER_S_MAX, f"the API took {max(slowest):.1f} s"
        self.unharmed()
        return result

    def unharmed(self) -> None:
        """The same processes, in bounded memory, and the member's next intent arrives."""
        assert processes(self.watch.pid) + processes(self.honest.pid) == self.pids
        for daemon, mesh in (self.pids[:2], self.pids[2:]):
            assert resident(daemon) < DAEMON_BYTES_MAX
            assert resident(mesh) < MESH_BYTES_MAX
        self.arrives()
        for node in (self.relay, self.member):
            assert "INTERNAL" not in (node.home / "node.log").read_text()

    def arrives(self) -> None:
        """The member puts a new version of an intent on the board, and waits until the relay has it."""
        number = next(self.intents)
        ready_by = time.time_ns() // 10**6 + 10**8
        intent = {"name": "home", "category": "electricity", "region": REGION, "want": number, "tolerate": 0}
        intent |= {"spend_minor": 5000, "readiness": "exploring", "ready_by": ready_by}
        record = self.honest.post("/intents", intent)["id"]
        self.watch.wait(lambda: self.holds(record), "the honest member's intent", int(PATIENCE_S))

    def holds(self, record: str) -> bool:
        """Whether the relay's log ends with this record, or nearly."""
        last = self.watch.get("/log", limit="0")["last"]
        rows = self.watch.get("/log", after=str(max(0, last - 100)), limit="100")["records"]
        return any(row["id"] == record for row in rows)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    folder = tmp_path_factory.mktemp("place")
    relay, member = Node(folder / "relay"), Node(folder / "member")
    config = f'[network]\nname = "siege"\nsalt = "{os.urandom(8).hex()}"\nspeed = {SPEED}\n[api]\nport = 0\n'
    for node in (relay, member):
        node.home.mkdir(mode=0o700)
        (node.home / "config.toml").write_text(config)
        node.init()
    relay.flags = ("--role", "relay", "--listen", f"/ip4/127.0.0.1/tcp/{port}")
    try:
        relay.spawn()
        assert relay.ready()
        member.flags = ("--relay", relay.addresses[0])
        member.spawn()
        assert member.ready()
        found = Place(relay, member)
        found.begin()
        yield found
        for node in (member, relay):
            node.end()
    finally:
        for node in (relay, member):
            if node.process and node.process.poll() is None:
                node.kill()


def now() -> int:
    return time.time_ns() // 10**6


def signed(
    author: Persona,
    network: bytes,
    kind: str,
    scope: str,
    body: dict[str, Any],
    slot: list[Any],
    times: tuple[int, int],
) -> bytes:
    """Whatever is signed, in the form of a record: `Record.sign` refuses what a receiver would."""
    packed = encode(body)
    wire = encode([network, kind, author.key, scope, slot, *times, [], digest("body", packed), len(packed)])
    return encode([wire, author.sign(digest("record", wire)), packed])


def intent(place: Place, author: Persona, name: str = "i", seq: int = 1, **changes: Any) -> Record:
    """An intent with nothing wrong but what is changed."""
    body = {"template": TEMPLATE, "want": 1, "tolerate": 0, "spend_minor": 100, "readiness": "ready"}
    body |= {"ready_by": now() + 10**8, "levels": {}, "terms": []} | changes.pop("body", {})
    given: dict[str, Any] = {"network": place.network, "kind": "intent.1", "scope": BOARD}
    given |= {"slot": Slot("latest", name, seq), "created": now(), "expires": now() + 10**8}
    return Record.sign(author, body=body, **(given | changes))


def somebody() -> Persona:
    return Persona.from_seed(os.urandom(32))


def test_each_ill_meant_record_is_answered_with_its_clause_and_costs_nobody_else(place: Place) -> None:
    """REC-12, REC-13, REC-14, GOS-3, GOS-6, GOS-7: none of it parts, for an honest peer may carry each."""
    make = partial(intent, place)
    me, other = somebody(), somebody()
    nine, eight = make(me, seq=9), make(me, seq=8)
    tied = sorted((make(other, seq=5, body={"want": want}) for want in (1, 2)), key=lambda one: one.id)
    lasting = now(), now() + 10**6

    def foreign(scope: str, body: dict[str, Any]) -> bytes:
        return signed(me, place.network, "gossip.9", scope, body, [], lasting)

    said: list[tuple[str, Record | bytes]] = [
        ("", nine),
        ("", nine),  # replayed
        ("REC-14", eight),  # the slot does not go back
        ("", tied[1]),
        ("", tied[0]),  # the smaller id wins
        ("REC-14", tied[1]),
        ("REC-13", make(me, name="future", created=now() + 700_000, expires=now() + 10**8)),
        ("REC-13", make(me, name="past", created=now() - 10**6, expires=now() - 1)),
        ("GOS-3", make(me, scope="board/electricity/u9")),
        ("GOS-3", foreign("coop/" + "7" * 32, {})),
        ("", foreign(BOARD, {"what": "ever"})),
        ("REC-12", foreign(BOARD, {"what": "x" * 5000})),
        ("GOS-6", make(me, name="orphan", refs=(bytes(32),))),
        *(("", make(me, name=f"n{number}")) for number in range(LIVE_INTENTS_MAX - 1)),
        ("GOS-7", make(me, name="one-too-many")),
    ]

    async def story(stranger: Stranger) -> None:
        for at, (code, one) in enumerate(said):
            assert await stranger.verdicts(one if isinstance(one, bytes) else one.raw) == (code,), at

    place.attack(story)


def test_an_equivocation_is_noticed_and_only_its_author_suffers(place: Place) -> None:
    """REC-14"""
    liar, honest = somebody(), somebody()
    scope = f"trust/{liar.key.hex()[:1]}"

    def marker(author: Persona, number: int) -> bytes:
        body = {"intent": bytes(32), "roster": number.to_bytes(32, "big")}
        slot = Slot("once", "m", 0)
        return Record.sign(
            author, place.network, "commitment-marker.1", BOARD, body, created=now(), expires=now() + 10**7, slot=slot
        ).raw

    noticed = threading.Event()

    def listen() -> None:
        for name, data in place.watch.events(PATIENCE_S):
            if name == "change" and data.get("topic") == "fault" and data["detail"]["author"] == liar.key.hex():
                noticed.set()
                return

    async def story(stranger: Stranger) -> None:
        assert await stranger.verdicts(marker(honest, 1)) == ("",)
        codes = await stranger.verdicts(*(marker(liar, number) for number in range(ONCE_HELD_MAX + 3)))
        assert codes == ("",) * ONCE_HELD_MAX + ("REC-14",) * 3
        assert await stranger.verdicts(marker(honest, 1), intent(place, honest).raw) == ("", "")

    listener = threading.Thread(target=listen, daemon=True)
    listener.start()
    place.attack(story)
    assert noticed.wait(PATIENCE_S), scope


def longer(raw: bytes) -> bytes:
    """The same values in another encoding, their signature untouched."""
    assert raw[0] == 0x93
    return b"\xdc\x00\x03" + raw[1:]


def spoiled(place: Place) -> list[tuple[str, str, bytes]]:
    """(name, clause, bytes) of records that are bad for every node for ever."""
    good = intent(place, somebody())
    wire, signature, packed = msgpack.unpackb(good.raw)
    body = dict(good.body)
    elsewhere = intent(place, somebody(), network=bytes(32))

    def lie(kind: str, scope: str, body: dict[str, Any], slot: list[Any], times: tuple[int, int] = (0, 9)) -> bytes:
        return signed(somebody(), place.network, kind, scope, body, slot, times)

    flipped = bytes([signature[0] ^ 1]) + signature[1:]
    return [
        ("one bit of the signature", "REC-", encode([wire, flipped, packed])),
        ("one bit of the body", "", good.raw[:-1] + bytes([good.raw[-1] ^ 1])),
        (
            "another author's signature",
            "REC-",
            encode([wire, msgpack.unpackb(intent(place, somebody()).raw)[1], packed]),
        ),
        ("longer forms", "ENC-", longer(good.raw)),
        ("bytes behind", "ENC-", good.raw + b"\xc0"),
        ("cut short", "ENC-", good.raw[:-1]),
        ("too large", "MSH-6", bytes(65_537)),
        ("of another network", "REC-5", elsewhere.raw),
        ("in a scope of another family", "REC-", lie("intent.1", "trust/a", body, ["latest", "i", 1])),
        ("a slot of another mode", "REC-", lie("intent.1", BOARD, body, ["once", "i", 0])),
        ("a field too many", "REC-11", lie("intent.1", BOARD, body | {"x": 1}, ["latest", "i", 1])),
        ("a field of another type", "REC-11", lie("intent.1", BOARD, body | {"want": "1"}, ["latest", "i", 1])),
        ("an end before its beginning", "REC-10", lie("intent.1", BOARD, body, ["latest", "i", 1], (now(), 1))),
        ("nothing", "ENC-", b""),
        ("noise", "", os.urandom(300)),
        ("nested", "ENC-", b"\x91" * 60_000),
        ("a huge claim", "ENC-", b"\xdd\xff\xff\xff\xff"),
    ]


def test_bytes_that_are_no_record_cost_their_sender_the_connection(place: Place) -> None:
    """REC-4, REC-5, REC-6, MSH-9, MSH-14"""
    good = intent(place, somebody())

    async def story(stranger: Stranger) -> None:
        assert await stranger.verdicts(good.raw) == ("",)
        for name, code, raw in spoiled(place):
            other = await Stranger.enter(place.relay.addresses[0], place.network)
            await other.say(Records(1, (intent(place, somebody()).raw, raw)))
            said = await other.hostile.dismissed()
            assert said, name
            assert said.startswith(code), (name, said)
        assert await stranger.verdicts(good.raw) == ("",), "who sent nothing bad stays"

    place.attack(story)


def test_gossip_that_is_none_costs_its_sender_the_connection(place: Place) -> None:
    """GOS-1, GOS-2, GOS-5, REC-7, SYN-5"""
    garbage = [
        ("ENC-", b""),
        ("", os.urandom(100)),
        ("GOS-1", encode(["shout", ["board/a/b"]])),
        ("GOS-1", encode({"subscribe": 1})),
        ("REC-7", encode(["subscribe", ["Not A Scope"]])),
        ("REC-7", encode(["subscribe", [7]])),
        ("GOS-2", encode(["subscribe", ["board/a/b"] * (SCOPES_PER_MESSAGE_MAX + 1)])),
        ("GOS-5", encode(["want", BOARD, [bytes(31)]])),
        ("", encode(["want", BOARD, [bytes(32)] * (WANT_IDS_MAX + 1)])),
        ("SYN-", encode_message(Sync(BOARD, os.urandom(500)))),
        ("SYN-", encode_message(Sync(BOARD, b"\x61" + b"\xff" * 60_000))),
        ("SYN-", encode_message(Sync(BOARD, b""))),
    ]

    async def story(stranger: Stranger) -> None:
        for at, (code, data) in enumerate(garbage):
            other = await Stranger.enter(place.relay.addresses[0], place.network)
            await other.say(MessageFrame(data))
            said = await other.hostile.dismissed()
            assert said, (at, data[:20])
            assert said.startswith(code), (at, said)
        # What is merely beside the point is let pass.
        await stranger.tell(Answer(BOARD, os.urandom(99)), Unsubscribe(("board/a/b",)), Sync("board/a/b", b"\x61"))
        assert await stranger.verdicts(intent(place, somebody()).raw) == ("",)

    place.attack(story)


def test_floods_of_wants_subscriptions_and_rounds(place: Place) -> None:
    """GOS-2, GOS-5: ids that nobody holds, scopes that nobody follows, reconciliation for its own sake"""
    scopes = [f"coop/{number:032x}" for number in range(SCOPES_PER_PEER_MAX + 500)]
    some = [tuple(scopes[at : at + SCOPES_PER_MESSAGE_MAX]) for at in range(0, len(scopes), SCOPES_PER_MESSAGE_MAX)]
    wants = [Want(BOARD, tuple(os.urandom(32) for _ in range(WANT_IDS_MAX))) for _ in range(100)]

    async def story(stranger: Stranger) -> None:
        with trio.move_on_after(FLOOD_S):  # it is let talk more and more slowly (GOS-47)
            await stranger.tell(*wants)
            await stranger.tell(*map(Subscribe, some), *map(Subscribe, some))
            await stranger.tell(*map(Unsubscribe, some))
            for _ in range(2):
                await stranger.tell(*map(Subscribe, some), *map(Unsubscribe, some))

    before = [resident(pid) for pid in place.pids]
    place.attack(story)
    grown = [resident(pid) - was for pid, was in zip(place.pids, before, strict=True)]
    assert max(grown) < 96 * MIB, [size // MIB for size in grown]


def test_scopes_that_many_peers_name_are_bounded_in_memory(place: Place) -> None:
    """GOS-2, GOS-3: a dozen peers name 4,096 scopes each, and hundreds more that count for nothing"""
    peers, extra = 12, SCOPES_PER_MESSAGE_MAX

    async def crowd(first: Stranger) -> int:
        others = [await Stranger.enter(place.relay.addresses[0], place.network) for _ in range(peers - 1)]
        before = resident(place.pids[0])
        for number, stranger in enumerate([first, *others]):
            for start in range(0, SCOPES_PER_PEER_MAX + extra, SCOPES_PER_MESSAGE_MAX):
                names = (f"coop/{number:04x}{start + at:028x}" for at in range(SCOPES_PER_MESSAGE_MAX))
                await stranger.tell(Subscribe(tuple(names)))
        for stranger in [first, *others]:  # all has been heard
            await stranger.verdicts(intent(place, somebody()).raw)
        grown = resident(place.pids[0]) - before
        for stranger in others:
            await stranger.leave()
        return grown

    grown = place.attack(crowd)
    assert grown < peers * SCOPES_PER_PEER_MAX * SCOPE_BYTES_MAX, grown // MIB


def test_clocks_that_lie_harm_only_what_they_stamp(place: Place) -> None:
    """REC-10, REC-13, REC-14: years ahead and behind; a later time wins nothing and parts nobody"""
    liar, me, year = somebody(), somebody(), 365 * 86_400_000
    make = partial(intent, place)
    soon = now() + 9 * 60_000
    said = [
        ("", make(me, "slot", 5)),
        ("REC-14", make(me, "slot", 4, created=soon, expires=soon + 10**6)),  # the number decides, not the time
        ("", make(liar, "soon", created=soon, expires=soon + 10**6)),
        ("", make(liar, "old", created=now() - 9 * year, expires=now() + year // 2)),
        ("REC-13", make(liar, "ahead", created=now() + 11 * 60_000, expires=now() + 10**8)),
        ("REC-13", make(liar, "far", created=now() + 1_000 * year, expires=now() + 1_001 * year)),
        ("REC-13", make(liar, "last", created=INTEGER_MAX - 1, expires=INTEGER_MAX)),
        ("REC-13", make(liar, "first", created=0, expires=9 * year)),
        ("", make(me, "slot", 6)),
    ]

    async def story(stranger: Stranger) -> None:
        for at, (code, one) in enumerate(said):
            assert await stranger.verdicts(one.raw) == (code,), at
        honest = await Stranger.enter(place.relay.addresses[0], place.network)
        assert await honest.verdicts(make(somebody(), "now").raw) == ("",)
        await honest.tell(Sync(BOARD, initiate(Index(), SYNC_MESSAGE_BYTES_MAX)[1]))
        await honest.hear(_reconciles)
        await honest.leave()
        for times in ((now(), INTEGER_MAX), (-1, 9), (9, 9)):
            other = await Stranger.enter(place.relay.addresses[0], place.network)
            body = dict(make(liar).body)
            await other.say(Records(1, (signed(liar, place.network, "intent.1", BOARD, body, [], times),)))
            assert (await other.hostile.dismissed()).startswith("REC-"), times

    place.attack(story)


def _reconciles(frame: Frame) -> bool:
    return isinstance(frame, MessageFrame) and isinstance(parse_message(frame.data), Answer)


def watching(role: str) -> Engine:
    """A core that watches the board, and nobody beside it."""
    template = load_template("electricity")
    settings = Settings(network=bytes(32), role=role, templates={template.hash: template}, presets=presets(1))
    engine = Engine(settings, [somebody()], random.Random(1), os.urandom)
    engine.handle(ev.Submit(1, Watch("electricity", REGION)), now())
    return engine


def settle(engine: Engine) -> float:
    """Seconds of work until the engine has attended to everything."""
    began = time.process_time()
    while engine.deadline is not None and engine.deadline <= now():
        engine.handle(ev.Tick(), now())
    return time.process_time() - began


def shouted(number: int, kind: str, body: dict[str, Any], scope: str = BOARD) -> Record:
    """What the stranger of this number says once."""
    author, slot = Persona.from_seed(number.to_bytes(32, "big")), Slot("once", "r", 0)
    return Record.sign(author, bytes(32), kind, scope, body, created=now(), expires=now() + 10**8, slot=slot)


def test_headlines_of_deals_that_do_not_exist() -> None:
    """GOS-3: anybody writes headlines; a supplier waits at so many empty deals and no more"""
    engine = watching("supplier")
    body = {
        "template": load_template("electricity").hash,
        "members": 9,
        "pooled_minor": 9,
        "quote_until": now() + 10**8,
    }
    for number in range(DEALS_EMPTY_MAX + 200):
        headline = shouted(number, "headline.1", body | {"deal": number.to_bytes(16, "big")})
        engine.handle(ev.RecordReceived(headline, "stranger"), now())
    settle(engine)
    assert sum(scope.startswith("deal/") for scope in engine.scopes()) == DEALS_EMPTY_MAX


def test_calls_that_concern_nobody_are_read_once() -> None:
    """FRM-11: else whoever calls often enough stops the node at every record of the board"""
    engine, template = watching("home"), load_template("electricity")
    body: dict[str, Any] = {"nonce": bytes(16), "purpose": "x", "category": "electricity", "region": REGION}
    body |= {"template": template.hash, "epoch": now() // template.epoch_ms, "least": 2, "most": 9}
    body |= {"fee_max_minor": 0, "risk": "lowest", "times": dict.fromkeys(next(iter(presets(1).values())), 10**9)}
    for number in range(1, 1001):
        key = Persona.from_seed(number.to_bytes(32, "big")).key
        whole = body | {"listed": [key], "witnesses": [key]}
        charter = shouted(number, "charter.1", whole, coop_scope(charter_hash(key, whole)))
        call = shouted(number, "call.1", {"coop": charter_hash(key, whole)[:16], "charter": charter.raw})
        engine.handle(ev.RecordReceived(call, "stranger"), now())
    first = settle(engine)
    engine.handle(
        ev.RecordReceived(shouted(0, "commitment-marker.1", {"intent": bytes(32), "roster": bytes(32)}), ""), now()
    )
    assert settle(engine) < first / 4


def test_ten_thousand_intents_of_fresh_keys(place: Place) -> None:
    """GOS-8, STO-13: taken, for each could be honest; slowly or fast, everybody else's go on"""
    raws = [intent(place, Persona.from_seed(number.to_bytes(32, "big"))).raw for number in range(10_000)]

    async def story(stranger: Stranger) -> None:
        codes = await stranger.verdicts(*raws)
        assert set(codes) == {""}

    place.attack(story)
    began = time.monotonic()
    board = place.watch.get(f"/board/electricity/{REGION}")
    assert board["intents"] >= 10_000
    assert time.monotonic() - began < ANSWER_S_MAX

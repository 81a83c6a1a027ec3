"""Every way a command can be refused, with its clause and one sentence, before anything has changed.

The limits of INT-6 and what an intent can say are in test_desk; here is the rest of a member's, a negotiator's and a
supplier's commands, asked of one node at the moment when they are wrong, and once when they are right.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import pytest

from protocol import commands as ask
from protocol.coop.charter import Invitation
from protocol.errors import CommandError
from protocol.events import Reply, Store, Submit
from protocol.record.record import Record, Slot
from tests.deals import LIFE_MS, NETWORK, START_MS, TIMES, Handmade, persona
from tests.stages import Desk, at

M0, M1, M2 = persona("m0"), persona("m1"), persona("m2")
CHEAP, STRANGER = persona("s0"), persona("stranger")
LATER = 10**9
ID = bytes(range(16))


@cache
def made(lie: str = "") -> Handmade:
    """A finished deal: m0 is its witness and m2 declines; with another award than anybody computes where told so."""
    if lie == "award":
        return Handmade({"award": lambda value: value.replace(b"\xcd\x03\x84", b"\xcd\x03\x85")})
    return Handmade()


def negotiator() -> Any:
    return next(one for one in (M0, M1, M2) if one.key == made().negotiator.key)


COOP = made().hash[:16]
DEAL = bytes.fromhex(made().deal_scope.removeprefix("deal/"))
RUNNING = tuple(one.author for one in made().coop().candidates)
LOSER = next(one for one in (M0, M1) if one.key != negotiator().key)
PLEDGE = ask.Pledge(COOP, 3, 1, 1, 1_000)
STAND = ask.Stand(COOP, 0, ("none",), "I can count.")
VOTE = ask.Vote(COOP, tuple((key,) for key in RUNNING))
INTENT = ask.AddIntent("tea", "tea", "any", 3, 1, 3_000, "ready", START_MS + LIFE_MS, ("basic",))
FOUND = ask.FoundCoop("tea", "Tea by hand", 2, 10, "quick", 0)
NOT_DEMANDED: dict[str, str | int] = {"attribute": "organic", "operator": "at-least", "value": 1}
ROW: dict[str, str | int] = {
    "sku": "leaf",
    "line": 1,
    "capacity": 100,
    "pack": 1,
    "min_qty": 1,
    "unit_price_minor": 9,
    "attribute.organic": 1,
}
PRICES = ask.SetPrices("tea", "any", "Leaf", (ROW,), ("basic",), {})


def changed(command: Any, **fields: Any) -> Any:
    return type(command)(**{name: getattr(command, name) for name in command.__slots__} | fields)


def alone(*first: Any) -> Desk:
    """m1's own node with nothing on it but what these commands leave."""
    desk = Desk(M1)
    for command in first:
        desk.ask(command)
        desk.tick()
    return desk


def founded(who: Any = M1) -> Desk:
    """m1 has founded a co-op by hand, accepted it and joined it."""
    desk = alone(INTENT, FOUND)
    assert [one.kind for one in desk.said("join.1")] == ["join.1"]
    return desk if who is M1 else Desk(who, desk.records.values(), now=desk.now)


def coop_of(desk: Desk) -> bytes:
    return bytes.fromhex(desk.said("charter.1")[0].scope.removeprefix("coop/"))


def guest(*more: Any) -> Desk:
    """m2's node, which knows m1's co-op and has an intent of its own."""
    desk = founded(M2)
    for command in (INTENT, *more):
        desk.ask(command)
    return desk


def ticket(desk: Desk, expires: int = START_MS + LATER) -> bytes:
    charter = desk.said("charter.1")[0]
    hashed = desk.said("accept.1")[0].body["charter"]
    assert charter.author == M1.key
    return Invitation.sign(M1, hashed, bytes(16), expires).token()


def used_ticket() -> tuple[Desk, Any]:
    """m0's node, which has seen m2 join with the invitation that m0 now holds."""
    other = guest()
    token = ticket(other)
    other.ask(ask.JoinCoop(coop_of(other), "tea", token=token))
    other.tick()
    assert len(other.said("join.1")) == 2
    desk = Desk(M0, other.records.values(), now=other.now)
    desk.ask(INTENT)
    return desk, ask.JoinCoop(coop_of(desk), "tea", token=token)


def refused(desk: Desk, command: Any) -> CommandError:
    """What the node replies; nothing has changed on its disk, in its memory or on the wire."""
    records, facts = dict(desk.records), dict(desk.facts)
    digests = {scope: desk.engine.digest(scope) for scope in desk.engine.scopes()}
    effects = desk.do(Submit(7, command))
    assert [type(effect) for effect in effects] == [Reply]
    reply = effects[0]
    assert isinstance(reply, Reply)
    assert isinstance(reply.result, CommandError), reply.result
    assert (reply.request, desk.records, desk.facts) == (7, records, facts)
    assert {scope: desk.engine.digest(scope) for scope in desk.engine.scopes()} == digests
    return reply.result


Case = tuple[str, str, Callable[[], Desk], Any]


def cases(stage: str, who: Any, rows: list[tuple[str, str, Any]], later_ms: int = 0, **more: Any) -> list[Case]:
    """Rows of (name, code, command), each asked of `who` when the deal by hand is at `stage`."""

    def desk() -> Desk:
        found = at(made(), stage, who, **more)
        found.now += later_ms
        return found

    return [(f"{stage}: {name}", code, desk, command) for name, code, command in rows]


AT_HOME: list[Case] = [
    ("an unknown command", "API-1", alone, object()),
    ("intent: category", "INT-1", alone, changed(INTENT, category="coffee")),
    ("preference: category", "INT-1", alone, ask.SetPreference("coffee", ())),
    ("preference: a task of one", "PRF-1", alone, ask.SetPreference("tea", ((({"organic": 1.0},), 0),))),
    ("watch: category", "INT-1", alone, ask.Watch("coffee", "any")),
    ("watch: region", "INT-2", alone, ask.Watch("tea", "Any where")),
    ("intent: region", "INT-2", alone, changed(INTENT, region="")),
    ("intent: name", "INT-3", alone, changed(INTENT, name="My tea")),
    ("intent: no want", "INT-4", alone, changed(INTENT, want=0)),
    ("intent: too much", "REC-11", alone, changed(INTENT, want=10**9 + 1)),
    ("intent: spend", "REC-11", alone, changed(INTENT, spend_minor=-1)),
    ("intent: beyond integers", "ENC-2", alone, changed(INTENT, spend_minor=2**60)),
    ("intent: readiness", "REC-11", alone, changed(INTENT, readiness="eager")),
    ("intent: terms", "CNS-3", alone, changed(INTENT, terms=("No Tracking",))),
    ("intent: requirements", "TPL-16", alone, changed(INTENT, requirements=({"attribute": "organic"},))),
    ("intent: no operator", "REC-11", alone, changed(INTENT, requirements=({"attribute": "organic", "value": 1},))),
    ("withdraw: no such intent", "INT-3", alone, ask.WithdrawIntent("tea")),
    ("boundaries: negative", "INT-6", alone, ask.SetBoundaries(price_max_minor=-1)),
    ("boundaries: no key", "INT-6", alone, ask.SetBoundaries(excluded_suppliers=(b"x",))),
    ("prices: category", "INT-1", alone, changed(PRICES, category="coffee")),
    ("prices: region", "INT-2", alone, changed(PRICES, region="?")),
    ("prices: no row", "NEG-34", alone, changed(PRICES, rows=({},))),
    ("prices: label", "REC-11", alone, changed(PRICES, label="x" * 81)),
    ("prices: terms", "CNS-3", alone, changed(PRICES, terms=("No",))),
    ("prices: identity", "ENC-1", alone, changed(PRICES, identity={"name": 1.5})),
    ("found: no intent", "INT-3", alone, FOUND),
    ("join: no intent", "INT-3", alone, ask.JoinCoop(ID, "tea")),
    ("invite: no such co-op", "FRM-20", alone, ask.Invite(ID, START_MS + LATER)),
    ("pledge: no such co-op", "FRM-20", alone, PLEDGE),
    ("commit: no such deal", "NEG-40", alone, ask.Commit(DEAL)),
    ("bundle: no such co-op", "FRM-20", alone, ask.AskBundle(COOP)),
    ("recall: no such co-op", "FRM-20", alone, ask.Recall(COOP, "silent")),
    ("receipts: no such co-op", "FRM-20", alone, ask.AskReceipts(COOP)),
    ("receipt: no such co-op", "FRM-20", alone, ask.AskInclusion(COOP)),
    ("vouch: no key", "ELE-37", alone, ask.Vouch(b"x")),
    ("vouch: for oneself", "ELE-37", alone, ask.Vouch(M1.key)),
    ("vouch: twice", "REC-14", lambda: alone(ask.Vouch(M0.key)), ask.Vouch(M0.key)),
]
FOUNDING: list[tuple[str, str, dict[str, Any]]] = [
    ("least", "FRM-20", {"least": 1}),
    ("most below least", "FRM-20", {"least": 5, "most": 4}),
    ("preset", "FRM-21", {"preset": "never"}),
    ("no purpose", "REC-11", {"purpose": ""}),
    ("too many", "REC-11", {"most": 501}),
    ("fee", "REC-11", {"fee_max_minor": -1}),
    ("a witness that is no key", "REC-11", {"witnesses": (b"x",)}),
    ("an unknown risk", "RSK-2", {"risk": "none"}),
    ("half of what candidates show", "REC-11", {"admits": {"outcomes": 1}}),
    ("too many witnesses", "REC-11", {"witnesses": tuple(bytes([n]) * 32 for n in range(17))}),
]
AT_HOME += [
    (f"found: {name}", code, lambda: alone(INTENT), changed(FOUND, **fields)) for name, code, fields in FOUNDING
]
INVITING: list[tuple[str, str, Callable[[], Desk], Callable[[Desk], Any]]] = [
    ("invite: past", "FRM-26", founded, lambda desk: ask.Invite(coop_of(desk), desk.now)),
    ("invite: no founder", "FRM-26", guest, lambda desk: ask.Invite(coop_of(desk), desk.now + LATER)),
    ("join: twice", "FRM-23", founded, lambda desk: ask.JoinCoop(coop_of(desk), "tea")),
    ("join: no id", "FRM-23", guest, lambda desk: ask.JoinCoop(coop_of(desk)[:5], "tea")),
    ("join: damaged", "FRM-26", guest, lambda desk: ask.JoinCoop(coop_of(desk), "tea", token=b"x")),
    (
        "join: expired",
        "FRM-26",
        guest,
        lambda desk: ask.JoinCoop(coop_of(desk), "tea", token=ticket(desk, desk.now)),
    ),
    ("join: used", "FRM-26", lambda: used_ticket()[0], lambda desk: used_ticket()[1]),
]
GATHERING = (
    cases(
        "gathering",
        M1,
        [
            ("pledge: least", "NEG-10", changed(PLEDGE, least=4)),
            ("pledge: want", "REC-11", changed(PLEDGE, want=-1, least=-1)),
            ("pledge: tolerate", "REC-11", changed(PLEDGE, tolerate=10**9 + 1)),
            ("pledge: price", "REC-11", changed(PLEDGE, price_max_minor=-1)),
            ("stand: fee", "ELE-20", changed(STAND, fee_minor=501)),
            ("stand: negative fee", "REC-11", changed(STAND, fee_minor=-1)),
            ("stand: interests", "REC-11", changed(STAND, interests=("greed",))),
            ("stand: statement", "REC-11", changed(STAND, statement="x" * 2049)),
            ("stand: language", "REC-11", changed(STAND, language="British English")),
            ("vote: too early", "DEC-13", VOTE),
            ("rfq: too early", "NEG-40", ask.OpenRfq(COOP)),
            ("invite: the roster is closed", "FRM-26", ask.Invite(COOP, START_MS + LATER)),
            ("bundle: too early", "BUN-12", ask.AskBundle(COOP)),
        ],
    )
    + cases("gathering", M1, [("too late", "DEC-13", one) for one in (PLEDGE, STAND)], TIMES["pledge_ms"] + 1)
    + cases("gathering", STRANGER, [("not on it", "FRM-27", one) for one in (PLEDGE, STAND, VOTE)])
    + cases("forming", M1, [("too early", "FRM-27", one) for one in (PLEDGE, STAND, VOTE)])
    + cases("forming", M0, [("invite: it lists who may", "FRM-26", ask.Invite(COOP, START_MS + LATER))])
    + cases("balloting", M1, [("pledge: closed", "DEC-13", PLEDGE), ("stand: closed", "DEC-13", STAND)])
)
ELECTING = (
    cases(
        "balloting",
        M1,
        [
            ("nobody", "ELE-21", changed(VOTE, ranking=())),
            ("nobody in a tier", "ELE-21", changed(VOTE, ranking=((),))),
            ("a stranger", "ELE-21", changed(VOTE, ranking=((STRANGER.key,),))),
            ("somebody twice", "ELE-21", changed(VOTE, ranking=((RUNNING[0],), (RUNNING[0],)))),
            ("somebody twice in a tier", "ELE-21", changed(VOTE, ranking=((RUNNING[0], RUNNING[0]),))),
        ],
    )
    + cases("balloting", M1, [("too late", "DEC-13", VOTE)], TIMES["ballot_ms"] + 1)
    + cases("mandated", M1, [("closed", "DEC-13", VOTE)])
    + cases("balloting", M1, [("recall: nobody yet", "ELE-42", ask.Recall(COOP, "silent"))])
    + cases("balloting", M1, [("receipt: of no kind", "ELE-52", ask.AskInclusion(COOP, "promise"))])
    + cases("mandated", STRANGER, [("recall: not on it", "FRM-27", ask.Recall(COOP, "silent"))])
    + cases("mandated", M1, [("recall: it ended by itself", "ELE-42", ask.Recall(COOP, "silent"))], TIMES["mandate_ms"])
    + cases(
        "mandated",
        M1,
        [
            ("recall: an unknown reason", "REC-11", ask.Recall(COOP, "bored")),
            ("recall: remark", "REC-11", ask.Recall(COOP, "other", "x" * 2049)),
        ],
    )
    + cases("mandated", LOSER, [("rfq: another's", "NEG-40", ask.OpenRfq(COOP))])
    + cases("mandated", STRANGER, [("rfq: nobody's", "NEG-40", ask.OpenRfq(COOP))])
    + cases("mandated", negotiator(), [("rfq: the mandate ended", "NEG-40", ask.OpenRfq(COOP))], TIMES["mandate_ms"])
    + cases(
        "mandated",
        negotiator(),
        [
            ("rfq: weights", "NEG-70", ask.OpenRfq(COOP, {"Organic Leaf": 1})),
            ("rfq: heavy weights", "NEG-70", ask.OpenRfq(COOP, {"organic": -41})),
            ("rfq: turned weights", "NEG-70", ask.OpenRfq(COOP, {"organic": 20})),
            ("rfq: nobody's demand", "NEG-71", ask.OpenRfq(COOP, requirements=(NOT_DEMANDED,))),
            ("rfq: half a demand", "NEG-71", ask.OpenRfq(COOP, requirements=({"attribute": "organic"},))),
        ],
    )
)
DEALING = (
    cases(
        "revealed",
        M1,
        [("too early", "NEG-51", ask.Commit(DEAL)), ("too early", "AGR-3", ask.Report(DEAL, "pay", M1.key, 1))],
    )
    + cases("revealed", M1, [("attest: too early", "ATT-1", ask.Attest(DEAL, CHEAP.key, "supplier", "kept"))])
    + cases(
        "awarded", STRANGER, [("no lot", "NEG-51", ask.Commit(DEAL)), ("no lot", "NEG-51", ask.Decline(DEAL, "price"))]
    )
    + cases("awarded", M1, [("too late", "NEG-51", ask.Commit(DEAL))], TIMES["commit_ms"] + 1)
    + cases(
        "awarded",
        M1,
        [
            ("decline: no reason", "NEG-52", ask.Decline(DEAL, "")),
            ("decline: an unknown reason", "REC-11", ask.Decline(DEAL, "bored")),
            ("decline: remark", "REC-11", ask.Decline(DEAL, "other", "x" * 2049)),
        ],
    )
    + cases(
        "countersigned",
        M1,
        [
            ("commit: over", "NEG-51", ask.Commit(DEAL)),
            ("report: not mine", "AGR-3", ask.Report(DEAL, "receive", M0.key, 3)),
            ("report: what", "REC-11", ask.Report(DEAL, "steal", M1.key, 3)),
            ("report: how much", "REC-11", ask.Report(DEAL, "receive", M1.key, -3)),
            ("report: reference", "REC-11", ask.Report(DEAL, "pay", M1.key, 3, "x" * 201)),
            ("attest: of whom", "ATT-1", ask.Attest(DEAL, STRANGER.key, "supplier", "kept")),
            ("attest: as what", "ATT-1", ask.Attest(DEAL, CHEAP.key, "friend", "kept")),
            ("attest: not mine to say", "ATT-2", ask.Attest(DEAL, M0.key, "member", "kept")),
            ("attest: outcome", "REC-11", ask.Attest(DEAL, CHEAP.key, "supplier", "so-so")),
            ("attest: stars", "REC-11", ask.Attest(DEAL, CHEAP.key, "supplier", "kept", {"promise": 6})),
            ("attest: remark", "REC-11", ask.Attest(DEAL, CHEAP.key, "supplier", "kept", {}, "\a")),
        ],
    )
    + cases("countersigned", M2, [("report: who declined", "AGR-3", ask.Report(DEAL, "receive", M2.key, 3))])
    + cases("countersigned", M2, [("attest: who declined", "ATT-2", ask.Attest(DEAL, CHEAP.key, "supplier", "kept"))])
    + cases("agreed", M1, [("attest: not signed yet", "ATT-2", ask.Attest(DEAL, CHEAP.key, "supplier", "kept"))])
    + cases("countersigned", CHEAP, [("attest: one who declined", "ATT-2", ask.Attest(DEAL, M2.key, "member", "kept"))])
)
ALL = AT_HOME + GATHERING + ELECTING + DEALING


@pytest.mark.parametrize(("code", "desk", "command"), [case[1:] for case in ALL], ids=[case[0] for case in ALL])
def test_refusals(code: str, desk: Callable[[], Desk], command: Any) -> None:
    """API-1, INT-1 to INT-6, FRM-20 to FRM-27, DEC-13, ELE-20, ELE-21, NEG-34, NEG-40, NEG-51, NEG-52, AGR-3, ATT-1."""
    error = refused(desk(), command)
    assert error.code == code
    assert_sentence(error.message)


def assert_sentence(message: str) -> None:
    assert 10 < len(message) < 200
    assert "\n" not in message
    assert message.isprintable()


@pytest.mark.parametrize(("code", "desk", "command"), [row[1:] for row in INVITING], ids=[row[0] for row in INVITING])
def test_invitations_refused(code: str, desk: Callable[[], Desk], command: Callable[[Desk], Any]) -> None:
    """FRM-23, FRM-26"""
    node = desk()
    error = refused(node, command(node))
    assert error.code == code
    assert_sentence(error.message)


def test_an_award_that_this_node_computes_otherwise() -> None:
    """NEG-50, NEG-51: whatever a quorum certified, a member signs only what its own node finds."""
    lied = made("award")
    desk = at(lied, "awarded", M1)
    deal = bytes.fromhex(lied.deal_scope.removeprefix("deal/"))
    assert refused(desk, ask.Commit(deal)).code == "NEG-50"
    assert desk.ask(ask.Decline(deal, "other", "It is not the award that I compute."))


def test_an_excluded_supplier_is_never_signed_with() -> None:
    """INT-6, NEG-51: nor above one's highest price, nor after one's latest date."""
    desk = at(made(), "awarded", M1)
    for limits in (
        ask.SetBoundaries(excluded_suppliers=(CHEAP.key,)),
        ask.SetBoundaries(price_max_minor=999),
        ask.SetBoundaries(latest=desk.now - 1),
    ):
        desk.ask(limits)
        assert refused(desk, ask.Commit(DEAL)).code == "INT-6"
    desk.ask(ask.SetBoundaries(latest=desk.now, price_max_minor=1_000, excluded_suppliers=(STRANGER.key,)))
    assert desk.ask(ask.Commit(DEAL))


def test_an_intent_is_used_up_by_its_commitment() -> None:
    """FRM-30: with another co-op's marker on the board a second one would be an equivocation."""
    join = next(one for one in made().records if one.kind == "join.1" and one.author == M1.key)
    intent = Record.parse(join.body["intent"], NETWORK)
    name = f"tea/{intent.id[:8].hex()}"
    body = {"intent": intent.id, "roster": bytes(32)}
    marker = Record.sign(
        M1,
        NETWORK,
        "commitment-marker.1",
        intent.scope,
        body,
        created=START_MS,
        expires=START_MS + LATER,
        slot=Slot("once", name, 0),
    )
    desk = at(made(), "awarded", M1)
    desk = Desk(M1, [*desk.records.values(), marker], desk.facts, desk.now)
    desk.tick()
    assert refused(desk, ask.Commit(DEAL)).code == "FRM-30"
    assert desk.ask(ask.Decline(DEAL, "other"))


RIGHT: list[tuple[str, Any, Any, str]] = [
    ("gathering", M1, PLEDGE, "pledge.1"),
    ("gathering", M1, STAND, "nomination.1"),
    ("balloting", M1, VOTE, "ballot.1"),
    ("mandated", negotiator(), ask.OpenRfq(COOP), "rfq.1"),
    ("awarded", M1, ask.Commit(DEAL), "commitment.1"),
    ("awarded", M1, ask.Decline(DEAL, "price"), "commitment.1"),
    ("countersigned", M1, ask.Attest(DEAL, CHEAP.key, "supplier", "kept", {"promise": 5}), "attestation.1"),
    ("countersigned", CHEAP, ask.Attest(DEAL, M1.key, "member", "broken"), "attestation.1"),
]


@pytest.mark.parametrize(("stage", "who", "command", "kind"), RIGHT)
def test_the_right_one_is_signed_once(stage: str, who: Any, command: Any, kind: str) -> None:
    """REC-14, ATT-3: the control; a second time is refused, for once is final."""
    desk = at(made(), stage, who)
    effects = desk.do(Submit(1, command))
    own = [one.record for one in effects if isinstance(one, Store)]
    logs = [one.log for one in desk.engine._core.contexts.values()]  # what goes out of a co-op is in an envelope
    assert any(log.by(who.key, kind) for log in logs)
    assert {one.author for one in own} == {who.key}
    assert isinstance(effects[-1], Reply)
    assert not isinstance(effects[-1].result, CommandError)
    assert refused(desk, command).code in ("REC-14", "ATT-3")


def test_a_report_may_be_repeated() -> None:
    """AGR-3: events have no slot; a correction is another event."""
    desk = at(made(), "countersigned", M1)
    for number in range(2):
        desk.now += number
        assert desk.ask(ask.Report(DEAL, "receive", M1.key, 3))
    assert len(desk.said("event.1")) == 2


def test_a_silent_first_signature_names_the_recovery_key() -> None:
    """IDN-10: it stands before the first record, and a refusal comes before it."""
    desk = Desk(M1, recovery={M1.key: bytes(32)})
    assert refused(desk, changed(INTENT, readiness="eager")).code == "REC-11"
    kinds = [one.record.kind for one in desk.do(Submit(1, INTENT)) if isinstance(one, Store)]
    assert kinds == ["persona.1", "intent.1"]

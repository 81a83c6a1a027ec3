"""A node without a network: answers the queries of protocol.commands from a dict, keeps what was submitted."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any

from protocol import commands as c
from protocol.errors import CommandError
from protocol.identity import did

ME = bytes(range(32))
NOW = 2 * 10**12
RELAY = "/dns4/relay.example/tcp/4001/p2p/12D3KooWpeer"
COOP = "ab" * 16
DEAL = "cd" * 16


def status() -> dict[str, Any]:
    """A home node with one peer and one board."""
    return {
        "persona": ME,
        "did": did(ME),
        "faces": 1,
        "role": "home",
        "peers": [{"peer": "12D3KooWpeer", "outbound": True, "scopes": 2}],
        "scopes": [{"scope": "board/electricity/u10", "records": 3}],
        "addresses": [],
        "peer_id": "12D3KooWme",
        "trouble": "",
        "device": device(),
    }


def peer(**others: Any) -> dict[str, Any]:
    """A link to a relay, with every number."""
    return {
        "peer": "12D3KooWpeer",
        "outbound": True,
        "addresses": [],
        "address": RELAY,
        "why": "configured",
        "since": NOW - 90_000,
        "age_ms": 90_000,
        "scopes": 2,
        "waiting": 0,
        "asking": [],
        "reconciled": NOW - 30_000,
        "bytes_in": 1_234_567,
        "bytes_out": 999,
        "records_in": 4321,
        "records_out": 7,
        "refused": 0,
        "queued": 0,
        "messages": 0,
        "credit": 1024,
        "ping_ms": 12,
    } | others


def relays() -> list[dict[str, Any]]:
    """One that is linked and one that is not."""
    one = {"address": RELAY, "peer": "12D3KooWpeer", "why": "configured", "state": "linked", "since": NOW - 90_000}
    lost = {"address": RELAY.replace("relay", "other"), "peer": "12D3KooWlost", "why": "invitation", "state": "lost"}
    return [one | {"reconciled": NOW}, lost | {"since": NOW - 600_000, "reconciled": 0}]


def mesh() -> dict[str, Any]:
    """A home behind its router."""
    return {
        "peer_id": "12D3KooWme",
        "listens": [],
        "announced": [],
        "state": "through relay",
        "says": "Through relay relay.example:4001.",
        "consequence": "Others get your words from there.",
        "fix": "One relay alone can hide things from you.",
        "fresh": True,
        "as_of": NOW,
        "fresh_says": "Fresh as of 2033-05-18 03:33.",
        "linked": 1,
        "dialled": 1,
        "bytes_in": 1_234_567,
        "bytes_out": 999,
        "half_open": 0,
        "banned": 0,
        "restarts": 0,
        "economy": {"today": 9_000_000, "cap": 10_000_000, "says": "Beyond it …", "quiet": [], "until": 0, "wakes": []},
        "trouble": "",
        "now": NOW,
    }


def coop() -> dict[str, Any]:
    """A co-op whose members are voting."""
    return {
        "id": bytes.fromhex(COOP),
        "purpose": "Green power",
        "state": "balloting",
        "members": 10,
        "mine": True,
        "witness": False,
        "negotiator": b"",
        "supplier": ME,
        "pooled_minor": 2_100_000,
        "currency": "GBP",
        "deal": bytes.fromhex(DEAL),
        "says": ["The witnesses sign the mandate."],
        "agreement": b"",
        "unit_price_minor": 0,
        "saving_minor": 0,
    }


def deal() -> dict[str, Any]:
    """A deal in which everything has happened at once."""
    return {
        "id": bytes.fromhex(DEAL),
        "coop": bytes(16),
        "category": "electricity",
        "state": "asked",
        "members": 10,
        "quotations": [ME],
        "mine": False,
        "questions": [{"name": "quotations", "closes": 10**13}],
        "ranking": ["1. 00010203 at GBP 2.20"],
        "refused": [[bytes(32), "NEG-12"]],
        "award": {"parts": [{"supplier": ME, "unit_price_minor": 220, "quantity": 30, "lots": [[ME, 30]]}]},
        "agreements": [],
        "commitments": [{"member": ME, "answer": "decline", "reason": "price", "remark": "too dear"}],
        "region": "u10",
        "quantity": 300,
        "request": bytes([7]) * 32,
        "quote_until": 10**13,
        "shares": [[ME, 30]],
        "says": ["Agreed: 30 units a period at GBP 2.20 each for 1 members from 00010203."],
        "currency": "GBP",
        "accounts": [account()],
        "substitutes": [
            {"id": bytes([3]) * 32, "article": "green 24", "unit_price_minor": 210, "waits": True, "supplier": ME}
        ],
        "events": [
            {"id": bytes([4]) * 32, "by": ME, "member": ME, "action": "deliver", "quantity": 9, "reference": "truck 7"}
        ],
        "renewals": [{"member": ME, "answer": "change", "reason": "price", "remark": "Too dear."}],
        "fallen": [],
        "spoken": spoken(),
    }


def spoken() -> list[dict[str, Any]]:
    """One of each state."""
    one = {"author": ME, "subject": bytes([9]) * 32, "role": "supplier", "until": 10**13}
    words = {"outcome": "broken", "dimensions": {"time": 2}, "remark": "Late\nopen: forged."}
    return [
        one | {"state": "sealed"} | words,
        one | {"state": "open", "author": bytes([9]) * 32, "subject": ME, "role": "member"} | words,
        one | {"state": "void", "author": bytes([8]) * 32, "code": "ATT-15"},
        one | {"state": "late", "author": bytes([7]) * 32},
        one | {"state": "sealed", "author": bytes([6]) * 32},
    ]


def talk() -> dict[str, Any]:
    """Everything that can be said about a request, once."""
    said = {"by": ME, "role": "member", "at": NOW, "text": "Is it green?"}
    must = {"attribute": "green", "operator": "at-least", "value": 1}
    changes = {"weights_minor": {"green": -5}, "requirements": [must], "drops": ["local"], "terms": ["basic"]}
    return {
        "deal": bytes.fromhex(DEAL),
        "state": "suggested",
        "asked": {"weights_minor": {"green": -1}, "requirements": [must], "terms": [], "revision": bytes(32)},
        "queries": [said | {"id": bytes([5]) * 32, "replies": [said | {"id": bytes([7]) * 32}]}],
        "suggestions": [said | changes | {"id": bytes([6]) * 32, "voices": 3, "adopted": True}],
        "counters": [said | {"id": bytes(32), "supplier": ME, "price_minor": 210, "quantity": 30, "beyond": True}],
        "messages": [said | {"id": bytes(32), "agreement": bytes(32), "mine": True}],
        "currency": "GBP",
    }


def account() -> dict[str, Any]:
    """A member's line under an agreement, with everything that can be in it."""
    return {
        "member": ME,
        "supplier": ME,
        "owed": 360,
        "got": 9,
        "delivered": 9,
        "received": 8,
        "unit_price_minor": 220,
        "price_minor": 79_200,
        "fulfilled": False,
        "contested": ["delivery"],
        "ends": 10**12,
        "cancelled_by": ME,
        "fee_minor": 500,
        "article": "green 24",
    }


def device() -> dict[str, Any]:
    """The only one, backed up."""
    return {
        "state": "",
        "since": 0,
        "relays_needed": 0,
        "relays_told": 0,
        "used_until": 0,
        "heard": {},
        "says": "",
        "fix": "",
        "backup_made": NOW,
        "nag": "",
    }


RISK = {"risk": "lowest"}
COUNTED = {
    "own_ballot": [[ME], [bytes(32)]],
    "opened": 1,
    "void_ballots": [{"author": ME, "id": bytes(32), "code": "IDN-18", "message": "shares: on no\npolynomial"}],
}


def keeping() -> dict[type, Any]:
    """What it says of itself."""
    found: dict[type, Any] = {one: {"at": NOW, "records": 2} for one in (c.Vanish, c.Stay)}
    return found | dict.fromkeys((c.AskDevice, c.GoOn, c.Retire, c.NoteBackup), device())


def answers() -> dict[type, Any]:
    """One small town: an intent on a board, a co-op, a deal."""
    candidate = {"key": ME, "fee_minor": 0, "interests": ["none"], "statement": "I will.", "language": "en"}
    return {
        **keeping(),
        c.AskStatus: status(),
        **{one: [] for one in (c.AskNeeds, c.AskDisclosures, c.AskVoices)},
        c.AskTalk: talk(),
        c.AskPeers: {"peers": [peer()], "relays": relays(), "now": NOW},
        c.AskMesh: mesh(),
        c.AskMail: {"letters": [], "tokens": [], "outgoing": 0, "full": False},
        c.WidenIntent: {"id": ME, "board": "board/electricity/u1"},
        c.AskIntents: [
            {"name": "home", "category": "electricity", "region": "u10", "want": 30, "readiness": "ready", "coop": ""}
        ],
        c.AskBoard: {
            "category": "electricity",
            "region": "u10",
            "intents": 12,
            "ready": 9,
            "pooled_minor_band": [1_000_000, 3_000_000],
            "currency": "GBP",
            "mine": [],
            "calls": [],
            "headlines": [],
        },
        c.AskCoops: [coop()],
        c.Answer: {"id": bytes(32), "score_minor": 63_000},
        c.LeaveCoop: {"coop": COOP and bytes.fromhex(COOP), "now": True, "says": "You left."},
        c.AskInvitations: [{"nonce": b"n" * 16, "used": 3}],
        c.AskCoop: coop()
        | {
            "candidates": [candidate],
            "keys": [ME],
            "founder": ME,
            "charter": {"category": "electricity", "region": "u10", "least": 3, "most": 40, "witnesses": [ME]} | RISK,
            "questions": [{"name": "ballots", "closes": 10**13}],
            "deal_detail": deal(),
            **COUNTED,
        },
        c.AskDeals: [deal()],
        c.Attest: {"id": bytes(32), "sealed": 1, "spoken": 0, "until": 10**13},
        c.AskBundle: {"bundle": b"bundle"},
        c.AskInclusion: {"proof": b"proof"},
        c.AskReceipts: [
            {"kind": "ballot", "question": "ballots/00", "id": bytes(32), "state": "counted", "receipts": [ME]}
            | {"witnesses": 4, "needed": 2}
        ],
        c.Recall: {"id": bytes(32), "term": 1, "said": 1, "needed": 2},
        c.AskStanding: {
            "subject": ME,
            "role": "supplier",
            "standing": 0.175,
            "expectation": 0.5,
            "why": ["You trust them."],
        },
    }


class FakeNode:
    """What the API sees of a daemon. `refuse` maps a command's type to the error it raises."""

    def __init__(self) -> None:
        self.answers = answers()
        self.refuse: dict[type, Exception] = {}
        self.submitted: list[Any] = []
        self.sequence = 6
        self.last_position = 3
        self.changes: asyncio.Queue[tuple[int, Mapping[str, Any]]] = asyncio.Queue()
        self.on_submit: Callable[[Any], None] = lambda command: None

    async def submit(self, command: Any) -> Any:
        self.submitted.append(command)
        self.on_submit(command)
        if error := self.refuse.get(type(command)):
            raise error
        if isinstance(command, c.WithdrawIntent) and command.name != "home":
            raise CommandError("API-9", f"name: there is no intent called {command.name}")
        return self.answers.get(type(command), {})

    async def subscribe(self) -> AsyncIterator[tuple[int, Mapping[str, Any]]]:
        while True:
            yield await self.changes.get()

    async def log(self, after: int, limit: int) -> list[Mapping[str, Any]]:
        rows: list[Mapping[str, Any]] = [
            {"position": n, "created": 0, "kind": "intent.1", "author": ME, "scope": "board/electricity/u10"}
            for n in range(after + 1, 4)
        ]
        return rows[:limit]

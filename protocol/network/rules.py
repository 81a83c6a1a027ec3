"""What this node declines for itself: blocked or allowed personas, peers, scopes and addresses, each until its end.

Decides whether a rule speaks against an author, a peer or a scope; never that a record is bad: what is declined here
may be taken elsewhere. Spec: 15-relay, REL-2 to REL-9.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import Any

from protocol.encoding import decode, digest_of, encode
from protocol.errors import Reject
from protocol.identity import did, key_of
from protocol.params import INTEGER_MAX
from protocol.record.record import Record, check_scope
from protocol.record.shapes import NOTICE_REASONS

VERBS = ("block", "allow")
ABOUT = ("persona", "peer", "scope", "address")
PUBLIC = ABOUT[:3]  # an address is somebody's: it stands in no record (REL-8)
_PEER = re.compile(r"[A-Za-z0-9_-]{1,128}")
_FACT = "rule/"

Network = IPv4Network | IPv6Network


@dataclass(frozen=True, slots=True)
class Rule:
    """One decision: `subject` in its one spelling; `until` in Unix ms, 0 for no end; `source`: whose notice it is."""

    verb: str
    about: str
    subject: str
    reason: str
    until: int
    source: bytes = b""

    @property
    def fact(self) -> str:
        """Under which name it is kept."""
        return f"{_FACT}{self.verb}/{self.about}/{self.subject}"

    def to_bytes(self) -> bytes:
        """What is kept under that name."""
        return encode([self.reason, self.until])

    @property
    def end(self) -> int:
        """The first moment at which it says nothing any more."""
        return self.until or INTEGER_MAX


def canonical(about: str, subject: str) -> str:
    """The one spelling of a subject; raises Reject REL-2 when it is none of its sort."""
    try:
        match about:
            case "persona":
                return did(key_of(subject))
            case "peer" if _PEER.fullmatch(subject):
                return subject
            case "scope":
                check_scope(subject.removesuffix("/*") + ("/all" if subject.endswith("/*") else ""))
                return subject
            case "address":
                return str(ip_network(subject, strict=False))
    except (Reject, ValueError):
        pass
    examples = "did:key:z…, a PeerId, board/bread/u10 or board/bread/*, 192.0.2.7 or 192.0.2.0/24"
    raise Reject("REL-2", f"subject: {subject[:80]!r} is no {about}; write a subject like {examples}")


def sort_of(subject: str) -> str:
    """Which sort of subject a text is, by its look: one of ABOUT."""
    if subject.startswith("did:"):
        return "persona"
    try:
        ip_network(subject, strict=False)
    except ValueError:
        return "scope" if "/" in subject else "peer"
    return "address"


def kept(facts: Mapping[str, bytes]) -> list[Rule]:
    """The own rules among a node's facts, by name."""
    found = []
    for name in sorted(facts):
        if name.startswith(_FACT):
            verb, about, subject = name.removeprefix(_FACT).split("/", 2)
            reason, until = decode(facts[name])
            found.append(Rule(verb, about, subject, reason, until))
    return found


def notice_slot(about: str, subject: str) -> str:
    """The slot of a notice: one for each subject, so that a later word replaces the former (REL-8)."""
    return digest_of("notice", [about, subject]).hex()


def noticed(notice: Record) -> Rule | None:
    """What a followed relay's notice comes to; None when it was withdrawn or names no subject (REL-9)."""
    body, header = notice.body, notice.header
    try:
        subject = canonical(body["about"], body["subject"])
    except Reject:
        return None
    if body["state"] != "stands" or body["about"] not in PUBLIC or subject != body["subject"]:
        return None
    until = min(body["until"] or INTEGER_MAX, header.expires)
    return Rule("block", body["about"], subject, body["reason"], until, notice.author)


def check_reason(reason: str) -> None:
    """Raises Reject REC-11 for what is no reason of a notice."""
    NOTICE_REASONS(reason, "reason")


class Rules:
    """Own rules and those of followed notices, made ready to be asked; where both speak, the own ones count (REL-9)."""

    def __init__(self, own: Iterable[Rule] = (), followed: Iterable[Rule] = ()) -> None:
        self.own, self.followed = tuple(own), tuple(followed)
        mine = {(one.about, one.subject) for one in self.own}
        self._ends: dict[tuple[str, str], dict[Any, int]] = {(verb, about): {} for verb in VERBS for about in ABOUT}
        for one in (*self.own, *(rule for rule in self.followed if (rule.about, rule.subject) not in mine)):
            ends, key = self._ends[one.verb, one.about], _key(one)
            ends[key] = max(ends.get(key, 0), one.end)

    def on_persona(self, verb: str, key: bytes, now: int) -> bool:
        """Whether a rule in force says so of a persona."""
        return self._ends[verb, "persona"].get(key, 0) > now

    def blocked_personas(self, now: int) -> frozenset[bytes]:
        """All of whom a rule in force says that they are blocked."""
        return frozenset(key for key, end in self._ends["block", "persona"].items() if end > now)

    def on_scope(self, verb: str, scope: str, now: int) -> bool:
        """Whether a rule in force says so of a scope, by its name or by a beginning of it."""
        ends = self._ends[verb, "scope"]
        if not ends:
            return False
        parts = scope.split("/")
        names = [scope, *("/".join(parts[:count]) + "/*" for count in range(1, len(parts)))]
        return any(ends.get(name, 0) > now for name in names)

    def on_peer(self, verb: str, peer: str, host: str, now: int) -> bool:
        """Whether a rule in force says so of a peer, by its name or by the address it came from ("" when unknown)."""
        if self._ends[verb, "peer"].get(peer, 0) > now:
            return True
        ranges = self._ends[verb, "address"]
        try:
            address = ip_address(host) if ranges and host else None
        except ValueError:
            return False
        mapped = getattr(address, "ipv4_mapped", None) or address
        return mapped is not None and any(end > now and mapped in network for network, end in ranges.items())

    def __len__(self) -> int:
        return len(self.own) + len(self.followed)


def _key(rule: Rule) -> bytes | str | Network:
    match rule.about:
        case "persona":
            return key_of(rule.subject)
        case "address":
            return ip_network(rule.subject)
    return rule.subject

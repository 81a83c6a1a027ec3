"""The charter of a co-op, who may join it, and who is on its roster.

Decides which charter a scope's name commits to, whether a join is good and which joins make the roster; never when.
Spec: 05-formation, FRM-20 to FRM-29.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from protocol.coop.evidence import admission, standing_in
from protocol.encoding import decode, digest_of, encode
from protocol.errors import Ignore, Reject
from protocol.identity import Persona, verify
from protocol.params import MEMBERS_MAX
from protocol.record.log import Log
from protocol.record.record import Record, embedded


def charter_hash(author: bytes, body: Mapping[str, object]) -> bytes:
    """What joins and acceptances name: author and content of the charter, not one signing of it (FRM-20)."""
    return digest_of("charter", [author, dict(body)])


def coop_scope(charter: bytes) -> str:
    """The scope of the co-op with this charter hash: its first 16 bytes (FRM-20)."""
    return "coop/" + charter[:16].hex()


def roster_hash(charter: bytes, keys: tuple[bytes, ...]) -> bytes:
    """What a pledge consents to: exactly these members under exactly this charter (FRM-28)."""
    return digest_of("roster", [charter, list(keys)])


def is_charter(record: Record) -> bool:
    """Whether the name of a charter's scope commits to its content, and its end is the one that it states (FRM-20)."""
    stated: int = record.header.created + record.body["times"]["retention_ms"]
    return coop_scope(charter_hash(record.author, record.body)) == record.scope and record.header.expires == stated


def find_charter(log: Log) -> Record | None:
    """The charter of a `coop` scope (FRM-20)."""
    return min(filter(is_charter, log.of_kind("charter.1")), key=lambda one: one.id, default=None)


def successor_in(record: Record, network: bytes) -> Record | None:
    """The charter that a `successor.1` shows, if it is one that comes from the co-op it is shown to (FRM-38)."""
    try:
        charter = embedded(record.body["charter"], network)
    except (Reject, Ignore):
        return None
    good = charter.kind == "charter.1" and is_charter(charter)
    slot = successor_slot(bytes.fromhex(charter.scope.partition("/")[2])) if good else ""
    named = bytes.fromhex(record.scope.partition("/")[2]) in charter.body.get("before", ()) if good else False
    return charter if named and record.header.slot is not None and record.header.slot.name == slot else None


def successor_slot(coop: bytes) -> str:
    """Where a member shows the charter of this co-op."""
    return f"successor/{coop[:8].hex()}"


@dataclass(frozen=True, slots=True)
class Invitation:
    """The founder's word that whoever presents it may join: the first `count` who do, by their `nonce` (FRM-26)."""

    nonce: bytes
    expires: int
    count: int
    signature: bytes

    @classmethod
    def sign(cls, founder: Persona, charter: bytes, nonce: bytes, expires: int, count: int = 1) -> Invitation:
        """A new invitation to the co-op with this charter hash, for the first `count` who come."""
        return cls(nonce, expires, count, founder.sign(_invitation_digest(charter, nonce, expires, count)))

    @classmethod
    def parse(cls, token: bytes) -> Invitation:
        """The invitation in a token; raises Reject FRM-26."""
        try:
            value = decode(token, 512, 4)
        except Reject:
            raise Reject("FRM-26", "invitation: the token is damaged") from None
        match value:
            case [bytes() as nonce, int() as expires, int() as count, bytes() as signature]:
                numbers = bool not in (type(expires), type(count)) and 1 <= count <= MEMBERS_MAX
                if numbers and len(nonce) == 16 and len(signature) == 64:
                    return cls(nonce, expires, count, signature)
        raise Reject("FRM-26", "invitation: must be a nonce, an expiry, a count and a signature")

    def token(self) -> bytes:
        """The bytes that `parse` reads."""
        return encode([self.nonce, self.expires, self.count, self.signature])

    def holds(self, founder: bytes, charter: bytes) -> bool:
        """Whether the founder signed it for this charter."""
        return verify(founder, self.signature, _invitation_digest(charter, self.nonce, self.expires, self.count))


def _invitation_digest(charter: bytes, nonce: bytes, expires: int, count: int) -> bytes:
    return digest_of("invitation", [charter, nonce, expires, count])


@dataclass(frozen=True, slots=True)
class Member:
    """A persona on the roster, with the join that put it there and the intent it joined with."""

    key: bytes
    join: Record
    intent: Record
    box: bytes


def intent_of(join: Record, network: bytes) -> Record:
    """The intent a join embeds; raises Reject or Ignore when it is no good record of this network."""
    return embedded(join.body["intent"], network)


def good_join(charter: Record, hashed: bytes, network: bytes, join: Record) -> bool:
    """Whether a join is by somebody the charter admits, with an intent of their own for this very thing (FRM-25)."""
    try:
        intent = intent_of(join, network)
    except (Reject, Ignore):
        return False
    body = charter.body
    good = intent.author == join.author and intent.kind == "intent.1"
    good = good and all(intent.body.get(name) == body.get(name) for name in ("template", "subject"))
    if join.body["charter"] != hashed or not good or not intent.scope.startswith(f"board/{body['category']}/"):
        return False
    invite, listed = join.body.get("invite"), body["listed"]
    if invite is None or listed:
        return invite is None and join.author in (listed or [charter.author])
    try:
        invitation = Invitation.parse(invite)
    except Reject:
        return False
    return invitation.holds(charter.author, hashed) and join.header.created <= invitation.expires


def roster_of(charter: Record, joins: Sequence[Record], network: bytes) -> tuple[Member, ...]:
    """The members that a certified box of joins amounts to, ascending by key (FRM-27).

    As many as each invitation is for, no more newcomers than the charter lets in, of all the charter's most, by least
    id; then whoever's own conditions fail on the list leaves it, until all who remain are content.
    """
    fit = _with_few_newcomers(charter, _as_invited(joins), network)[: charter.body["most"]]
    kept = sorted(fit, key=lambda one: one.author)
    while True:
        keys = [one.author for one in kept]
        content = [one for one in kept if _content(one, keys)]
        if len(content) == len(kept):
            return tuple(Member(one.author, one, intent_of(one, network), one.body["box"]) for one in kept)
        kept = content


def _as_invited(joins: Sequence[Record]) -> list[Record]:
    """Of the joins on one invitation those with the least ids, as many as it is for (FRM-26)."""
    kept, used = list[Record](), Counter[bytes]()
    for one in sorted(joins, key=lambda join: join.id):
        invite = one.body.get("invite")
        invitation = None if invite is None else Invitation.parse(invite)
        if invitation is not None:
            used[invitation.nonce] += 1
        if invitation is None or used[invitation.nonce] <= invitation.count:
            kept.append(one)
    return kept


def sponsors(charter: Record) -> tuple[bytes, ...]:
    """Whose vouches count for a join: those whom the charter names (ELE-34)."""
    body = charter.body
    return tuple(dict.fromkeys((charter.author, *body["witnesses"], *body["listed"])))


def _with_few_newcomers(charter: Record, joins: Sequence[Record], network: bytes) -> list[Record]:
    """The joins by id, without newcomers beyond the first so many (ELE-36)."""
    left, vouchers = admission(charter).newcomers, sponsors(charter)
    kept = []
    for one in sorted(joins, key=lambda join: join.id):
        if left < len(joins) and standing_in(one, vouchers, network).newcomer:
            if not left:
                continue
            left -= 1
        kept.append(one)
    return kept


def _content(join: Record, keys: list[bytes]) -> bool:
    """Whether a join's own conditions hold on this roster (FRM-27)."""
    body = join.body
    fits = body["least"] <= len(keys) and (body["most"] == 0 or len(keys) <= body["most"])
    return fits and not any(key in keys for key in body["exclude"])

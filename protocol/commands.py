"""What the local user may ask of the node: plain values in, so that browser, CLI and tests say the same thing.

Decides nothing; the engine checks every field again and answers CommandError with a sentence. Amounts are integer minor
units per template unit and period; times are Unix ms; keys and ids are bytes. Spec: 13-node, API-1.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

Weights = Mapping[str, int]


@dataclass(frozen=True, slots=True)
class SetBoundaries:
    """Hard limits the node cannot sign past (INT-6); None leaves a limit open."""

    price_max_minor: int | None = None
    open_pledges_max: int | None = None
    latest: int | None = None
    excluded_suppliers: tuple[bytes, ...] = ()


@dataclass(frozen=True, slots=True)
class SetPreference:
    """Choices the member made, from which weights are fitted and kept at home (PRF-1).

    tasks: per task the alternatives (attribute -> number) and the index of the chosen one.
    """

    category: str
    tasks: tuple[tuple[tuple[Mapping[str, float], ...], int], ...]


@dataclass(frozen=True, slots=True)
class AddIntent:
    """ "I would like …": an intent on the board of (category, region), or a new version of the one called `name`."""

    name: str
    category: str
    region: str
    want: int
    tolerate: int
    spend_minor: int
    readiness: str
    ready_by: int
    terms: tuple[str, ...] = ()
    requirements: tuple[Mapping[str, str | int], ...] = ()


@dataclass(frozen=True, slots=True)
class WithdrawIntent:
    """Take back the intent called `name`; a join or pledge made with it stands until its own end."""

    name: str


@dataclass(frozen=True, slots=True)
class Watch:
    """Follow a board without an intent on it: what a supplier or a curious member does."""

    category: str
    region: str


@dataclass(frozen=True, slots=True)
class FoundCoop:
    """Found a co-op by hand around the intent called `intent`; members come by invitation."""

    intent: str
    purpose: str
    least: int
    most: int
    preset: str
    fee_max_minor: int
    witnesses: tuple[bytes, ...] = ()


@dataclass(frozen=True, slots=True)
class Invite:
    """A signed, single-use, expiring invitation to `coop`; the reply holds `token` (bytes) for the link."""

    coop: bytes
    expires: int


@dataclass(frozen=True, slots=True)
class JoinCoop:
    """Join `coop` with the intent called `intent`, on these conditions; `token` is the invitation's, if any.

    The join is signed as soon as the charter is known and its witnesses have accepted.
    """

    coop: bytes
    intent: str
    least: int = 0
    most: int = 0
    exclude: tuple[bytes, ...] = ()
    token: bytes = b""


@dataclass(frozen=True, slots=True)
class Pledge:
    """What the member would take at most at which unit price, on exactly this roster."""

    coop: bytes
    want: int
    tolerate: int
    least: int
    price_max_minor: int


@dataclass(frozen=True, slots=True)
class Stand:
    """Stand for negotiator, interests and fee disclosed first (ELE-20). Silence means: not standing."""

    coop: bytes
    fee_minor: int
    interests: tuple[str, ...]
    statement: str
    language: str = "en"


@dataclass(frozen=True, slots=True)
class Vote:
    """One ranked ballot: tiers of candidate keys, best first; unlisted ones are tied below (ELE-21)."""

    coop: bytes
    ranking: tuple[tuple[bytes, ...], ...]


@dataclass(frozen=True, slots=True)
class OpenRfq:
    """The negotiator asks suppliers for quotations; weights default to the members' published mean."""

    coop: bytes
    weights_minor: Weights = field(default_factory=dict)
    terms: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class SetPrices:
    """A supplier's price list and standing rule: rows as protocol.offer spells them, quoted by itself (NEG-35)."""

    category: str
    region: str
    label: str
    rows: tuple[Mapping[str, str | int], ...]
    terms: tuple[str, ...]
    identity: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Commit:
    """The member's own signature under the award: binding, the pledge's numbers repeated."""

    deal: bytes


@dataclass(frozen=True, slots=True)
class Decline:
    """No, with a reason (voice, not only exit)."""

    deal: bytes
    reason: str
    remark: str = ""


@dataclass(frozen=True, slots=True)
class Report:
    """An economic event under an agreement: deliver, receive, pay (by reference) or correct."""

    deal: bytes
    action: str
    member: bytes
    quantity: int
    reference: str = ""


@dataclass(frozen=True, slots=True)
class Attest:
    """What one did for the other, after a deal both signed; dimensions 1..5."""

    deal: bytes
    subject: bytes
    role: str
    outcome: str
    dimensions: Mapping[str, int] = field(default_factory=dict)
    remark: str = ""


@dataclass(frozen=True, slots=True)
class SetRule:
    """Block or allow (`verb`) a persona, peer, scope or range of addresses; `until` 0 is for ever (REL-2).

    `about` "" goes by the look of `subject`. `publish`: say so in a notice that others may follow (REL-8).
    """

    verb: str
    subject: str
    about: str = ""
    reason: str = "other"
    until: int = 0
    publish: bool = False


@dataclass(frozen=True, slots=True)
class LiftRule:
    """Neither block nor allow it any longer; a notice that says so is withdrawn."""

    subject: str
    about: str = ""


@dataclass(frozen=True, slots=True)
class PublishPolicy:
    """What this relay takes, keeps and refuses, for everybody to read; its limits are those in force (REL-7)."""

    contact: str
    languages: tuple[str, ...] = ("en",)
    words: str = ""
    language: str = "en"
    retention_ms: int = 0
    peers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class FollowNotices:
    """Let the notices of this relay's persona apply here too (REL-9)."""

    persona: bytes


@dataclass(frozen=True, slots=True)
class UnfollowNotices:
    """No longer."""

    persona: bytes


@dataclass(frozen=True, slots=True)
class MakeToken:
    """A line to hand to whom may write to this member; `label` is for the member alone (REL-11)."""

    label: str
    expires: int


@dataclass(frozen=True, slots=True)
class RevokeToken:
    """Letters with this token are dropped from now on."""

    secret: bytes


@dataclass(frozen=True, slots=True)
class SendMail:
    """A letter to whoever handed out `token`; `reply`: with a fresh token to answer with (REL-12)."""

    token: str
    text: str
    reply: bool = False


@dataclass(frozen=True, slots=True)
class DropMail:
    """Throw a letter away."""

    letter: bytes


@dataclass(frozen=True, slots=True)
class AskStatus:
    """-> {"persona", "did", "role", "peers": [...], "scopes": [{"scope", "records", "digest"}], "deadline"}"""


@dataclass(frozen=True, slots=True)
class AskNeeds:
    """-> [{"kind", "coop" | "deal", "until", "says", "silence", …what the answer needs}]: what waits for me."""


@dataclass(frozen=True, slots=True)
class AskBoard:
    """-> {"category", "region", "intents": n, "ready": n, "pooled_minor_band": [low, high], "currency", "mine": […],
    "calls": […], "headlines": […]}"""

    category: str
    region: str


@dataclass(frozen=True, slots=True)
class AskIntents:
    """-> the member's own intents, [{"name", "category", "region", "want", …, "readiness", "coop"}]"""


@dataclass(frozen=True, slots=True)
class AskCoops:
    """-> [{"id", "purpose", "state", "members", "me", "negotiator", "pooled_minor", "currency", "deal", …}]"""


@dataclass(frozen=True, slots=True)
class AskCoop:
    """-> one co-op with charter, roster, questions, candidates, tally, mandate, deal, ranking and allocation."""

    coop: bytes


@dataclass(frozen=True, slots=True)
class AskDeals:
    """-> [{"id", "category", "state", "members", "quote_until", "mine", "award", "agreement"}] (suppliers' feed)"""


@dataclass(frozen=True, slots=True)
class AskBundle:
    """-> {"bundle": bytes}: the whole deal from records alone (BUN-1)."""

    coop: bytes


@dataclass(frozen=True, slots=True)
class AskStanding:
    """-> {"subject", "role", "standing", "expectation", "why": [sentences]}: this observer's view."""

    subject: bytes
    role: str


@dataclass(frozen=True, slots=True)
class AddPeer:
    """Keep to this relay from now on, also after a restart; `invited`: an invitation named it. -> {}"""

    address: str
    invited: bool = False


@dataclass(frozen=True, slots=True)
class NoticePeer:
    """A node of this network that was found on the local network, until this process ends. -> {}"""

    address: str


@dataclass(frozen=True, slots=True)
class ForgetPeer:
    """No longer keep to this relay, which was added, invited or learned. -> {}"""

    address: str


@dataclass(frozen=True, slots=True)
class AskPeers:
    """-> {"peers": who is linked, why, how much passed, how far behind; "relays": whom this node keeps to}"""


@dataclass(frozen=True, slots=True)
class AskMesh:
    """-> {"state", "says", "consequence", "fix", "fresh", "as_of", "bytes_in", ...}: how others reach this node."""


@dataclass(frozen=True, slots=True)
class AskDigest:
    """-> {"scope", "digest", "records"}, the digest being that of who takes part, read from the disk where need be"""

    scope: str


@dataclass(frozen=True, slots=True)
class AskRules:
    """-> {"own": [{"verb", "about", "subject", "reason", "until"}], "followed": […], "following": [key]}"""


@dataclass(frozen=True, slots=True)
class AskPolicy:
    """-> {"persona", "published", "policy"}: of this node, or a persona or relay that is named, if known here."""

    persona: bytes = b""
    peer: str = ""


@dataclass(frozen=True, slots=True)
class AskMail:
    """-> {"letters": [{"id", "label", "text", "sent", "received", "reply"}], "tokens": […], "outgoing": n}"""


@dataclass(frozen=True, slots=True)
class AskNumbers:
    """-> counts of what the core holds in memory, names of nobody: peers, scopes, sessions, rules, mail."""


# fmt: off
Command = (
    SetBoundaries | SetPreference | AddIntent | WithdrawIntent | Watch | FoundCoop | Invite | JoinCoop | Pledge
    | Stand | Vote | OpenRfq | SetPrices | Commit | Decline | Report | Attest | SetRule | LiftRule | PublishPolicy
    | FollowNotices | UnfollowNotices | MakeToken | RevokeToken | SendMail | DropMail | AddPeer | ForgetPeer
    | AskPeers | AskMesh | AskStatus | AskNeeds | AskBoard | AskIntents | AskCoops | AskCoop | AskDeals | AskBundle
    | AskStanding | AskDigest | AskRules | AskPolicy | AskMail | AskNumbers
)
# fmt: on

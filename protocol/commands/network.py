"""What an operator says about relays, peers and mail.

Decides nothing: plain values, checked by the engine. Spec: 13-node, API-1.
"""

from __future__ import annotations

from dataclasses import dataclass


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
    persona: str = ""  # whose letters they are; without: the one in use (IDN-21)


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

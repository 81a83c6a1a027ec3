"""An invitation as one line of text or one picture: all that a newcomer needs to reach a co-op, nothing about anyone.

Decides the link's form and end; whether the token admits is the co-op's. A link is hostile until read. Spec: 13-node,
CLI-10.
"""

from __future__ import annotations

import base64
import binascii
import io
from dataclasses import asdict, dataclass
from typing import Any

from node.present import moment
from protocol.encoding import decode, encode
from protocol.errors import CommandError, Reject
from protocol.identity import network_id
from protocol.record.schema import array, data, fields, integer, text

SCHEME = "wltm:"
LINK_BYTES_MAX = 4096
RELAYS_MAX = 3  # (g) written into a link; up to eight are read
_FORM = fields(
    {
        "name": text(64, 1),
        "salt": data(0, 32),
        "speed": integer(1, 10**6),
        "coop": data(16),
        "founder": data(32),
        "relays": array(text(300, 1), 8),
        "token": data(1, 1024),
        "expires": integer(),
    }
)


@dataclass(frozen=True, slots=True)
class Invitation:
    """The network, a few relays as multiaddrs, the co-op, who invites, the token and its end in Unix ms."""

    name: str
    salt: bytes
    speed: int
    coop: bytes
    founder: bytes
    relays: tuple[str, ...]
    token: bytes
    expires: int

    @property
    def network_id(self) -> bytes:
        """Which network the co-op lives in."""
        return network_id(self.name, self.salt)

    def link(self) -> str:
        """`wltm:` and the canonical encoding in base64url without padding."""
        return SCHEME + base64.urlsafe_b64encode(encode(asdict(self))).decode("ascii").rstrip("=")


def read(link: str, now: int) -> Invitation:
    """The invitation in a link. Raises CommandError CLI-10 when it is damaged or has ended."""
    body = link.strip().removeprefix(SCHEME)
    try:
        if len(body) > LINK_BYTES_MAX or not link.strip().startswith(SCHEME):
            raise Reject("CLI-10", "no link")
        packed = base64.b64decode(body + "=" * (-len(body) % 4), altchars=b"-_", validate=True)
        value: dict[str, Any] = decode(packed)
        _FORM(value, "invitation")
    except (Reject, binascii.Error, ValueError):
        raise CommandError("CLI-10", "this is no whole invitation; ask for it again, it begins with wltm:") from None
    invitation = Invitation(**{**value, "relays": tuple(value["relays"])})
    if invitation.expires <= now:
        raise CommandError("CLI-10", f"the invitation ended at {moment(invitation.expires)}; ask for another")
    return invitation


def qr(link: str) -> str:
    """The link as a picture of block characters for a terminal."""
    import segno

    picture = io.StringIO()
    segno.make(link, error="l").terminal(picture, compact=True)
    return picture.getvalue()

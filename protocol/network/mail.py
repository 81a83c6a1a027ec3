"""Letters that relays keep for who sleeps: tokens that let somebody write, sealed letters of few sizes.

Decides what a relay may see of a letter (a twelfth of a key's hash in bits, a size, a blurred time) and which letter a
recipient takes; never where it is kept or for how long. Spec: 15-relay, REL-10 to REL-13.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable
from dataclasses import asdict, dataclass

from protocol.encoding import decode, digest, encode
from protocol.errors import Ignore, Reject
from protocol.identity import SEAL_BYTES, Entropy, Persona, box_key, seal, unseal
from protocol.params import MAIL_FUZZ_MS, MAIL_LIFE_MS, MAIL_PREFIX_DIGITS, MAIL_SIZES
from protocol.record.record import Record
from protocol.record.schema import data, fields, integer, text

SCHEME = "wltm-mail:"
TOKEN_TEXT_MAX = 300
SECRET_BYTES = 16
_SCOPE = re.compile(rf"mail/[0-9a-f]{{{MAIL_PREFIX_DIGITS}}}")
_TOKEN = fields({"box": data(32), "expires": integer(), "network": data(32), "scope": text(16, 1), "secret": data(16)})
_LETTER = fields(
    {"author": data(32), "reply": text(TOKEN_TEXT_MAX), "secret": data(16), "sent": integer(), "text": text()}
)


def mail_scope(key: bytes) -> str:
    """Where letters for a persona are left: with those for one in 4,096 others (REL-10)."""
    return "mail/" + digest("mail", key).hex()[:MAIL_PREFIX_DIGITS]


def is_mail_scope(scope: str) -> bool:
    """Whether letters are left in this scope."""
    return _SCOPE.fullmatch(scope) is not None


@dataclass(frozen=True, slots=True)
class Token:
    """What the recipient hands to whom may write: where to, for which box key, and the secret that letters repeat."""

    network: bytes
    scope: str
    box: bytes
    secret: bytes
    expires: int

    @classmethod
    def of(cls, persona: Persona, network: bytes, secret: bytes, expires: int) -> Token:
        """The token with this secret; its box key follows from persona and secret, so nothing else need be kept."""
        return cls(network, mail_scope(persona.key), box_key(box_seed(persona, secret)), secret, expires)

    def text(self) -> str:
        """One line to hand out (REL-11)."""
        return SCHEME + base64.urlsafe_b64encode(encode(asdict(self))).decode("ascii").rstrip("=")

    @classmethod
    def parse(cls, line: str, network: bytes) -> Token:
        """The token in a line; raises Reject REL-11 when it is damaged or of another network."""
        body = line.strip().removeprefix(SCHEME)
        try:
            if len(body) > TOKEN_TEXT_MAX or not line.strip().startswith(SCHEME):
                raise Reject("REL-11", "no token")
            value = decode(base64.b64decode(body + "=" * (-len(body) % 4), altchars=b"-_", validate=True))
            _TOKEN(value, "token")
            if not _SCOPE.fullmatch(value["scope"]):
                raise Reject("REL-11", "no scope of mail")
        except (Reject, ValueError):
            raise Reject("REL-11", f"token: not a whole one; ask for it again, it begins with {SCHEME}") from None
        if value["network"] != network:
            raise Reject("REL-11", "token: is one of another network")
        return cls(**value)


@dataclass(frozen=True, slots=True)
class Letter:
    """What the recipient reads: `sent` in Unix ms as the sender says, `reply` a token to answer with, or ""."""

    text: str
    sent: int
    reply: str
    secret: bytes


def box_seed(persona: Persona, secret: bytes) -> bytes:
    """The secret key that opens letters which bear this token's secret (IDN-5)."""
    return persona.box_seed(b"mail" + secret)


def write(token: Token, words: str, reply: str, now: int, entropy: Entropy) -> Record:
    """A letter as relays carry it: by an author that never speaks again, sealed, padded, its stamp blurred (REL-12).

    Raises Reject REC-11 when the text is too long, REL-11 when the token's key is none.
    """
    author = Persona.from_seed(entropy(32))
    content = {"author": author.key, "reply": reply, "secret": token.secret, "sent": now, "text": words}
    _LETTER(content, "letter")
    packed = encode(content)
    size = next(size for size in MAIL_SIZES if size >= len(packed) + 2)
    padded = (len(packed).to_bytes(2, "big") + packed).ljust(size, b"\0")
    try:
        sealed = seal(padded, token.box, entropy)
    except Reject:
        raise Reject("REL-11", "token: its key is none") from None
    created = now - int.from_bytes(entropy(8), "big") % MAIL_FUZZ_MS
    return Record.sign(
        *(author, token.network, "mail.1", token.scope, {"sealed": sealed}),
        created=created,
        expires=created + MAIL_LIFE_MS,
    )


def check_letter(record: Record) -> None:
    """Raises Ignore REL-10 for a record of a mail scope that tells a relay more than every other letter does."""
    header = record.header
    plain = record.kind == "mail.1" and header.slot is None and not header.refs and _SCOPE.fullmatch(record.scope)
    if not plain or header.expires - header.created != MAIL_LIFE_MS:
        raise Ignore("REL-10", "mail: not a letter like the others")
    if len(record.body["sealed"]) - SEAL_BYTES not in MAIL_SIZES:
        raise Ignore("REL-10", f"sealed: none of the sizes {', '.join(str(size + SEAL_BYTES) for size in MAIL_SIZES)}")


def read(record: Record, persona: Persona, secrets: Iterable[bytes]) -> Letter | None:
    """The letter, if it bears one of these secrets of the persona's; None for everybody else's (REL-13)."""
    for secret in secrets:
        try:
            padded = unseal(record.body["sealed"], box_seed(persona, secret))
            size = int.from_bytes(padded[:2], "big")
            content = decode(padded[2 : 2 + size])
            _LETTER(content, "letter")
        except Reject:
            continue
        if content["secret"] == secret and content["author"] == record.author:  # else a copy in another's hand
            return Letter(content["text"], content["sent"], content["reply"], secret)
    return None

"""The twelve words at the moment they are needed: asked for, used once, never stored or sent.

Decides which recovery key belongs to a persona; the record that it signs is protocol.trust.succession's.
Spec: 02-identity, IDN-10, IDN-12, IDN-26.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from node.cli.home import WORDS_BYTES_MAX, text_of
from node.cli.shell import USAGE, Options, Stop
from protocol.identity import Persona, recovery_hash
from protocol.params import PERSONA_LIFE_MS
from protocol.record.record import Record, Slot
from protocol.trust.accountability import trust_scope

WORDS = click.option(
    "--words-file",
    type=click.Path(dir_okay=False, allow_dash=True, path_type=Path),
    metavar="FILE",
    help="Read the twelve words from a file, or - for standard input.",
)


@dataclass(frozen=True, slots=True)
class Pair:
    """A persona and its recovery key, made from the words."""

    persona: Persona
    recovery: Persona

    def first(self, network: bytes, now: int) -> bytes:
        """A first record for a persona of which nobody has one any more (IDN-29)."""
        body = {"recovery": recovery_hash(self.persona.key, self.recovery.key)}
        slot, scope = Slot("once", "persona", 0), trust_scope(self.persona.key)
        until = now + PERSONA_LIFE_MS
        return Record.sign(
            self.persona, network, "persona.1", scope, body, created=now, expires=until, slot=slot, refs=()
        ).raw

    def record(self, network: bytes, first: bytes, asked: dict[str, Any]) -> bytes:
        """The freeze, or the succession where the node's answer names who agreed to succeed (IDN-27, IDN-28)."""
        body: dict[str, Any] = {"first": first}
        if "successor" in asked:
            body |= {"successor": bytes.fromhex(asked["successor"]), "consent": bytes.fromhex(asked["consent"])}
        kind = "succession" if "successor" in asked else "freeze"
        now, slot = asked["now"], Slot("once", kind, 0)
        until, scope = now + PERSONA_LIFE_MS, trust_scope(self.persona.key)
        return Record.sign(
            self.recovery, network, f"{kind}.1", scope, body, created=now, expires=until, slot=slot, refs=()
        ).raw


def words_from(options: Options, path: Path | None) -> str:
    """The words as typed or read. Raises Stop 2 where nobody can be asked."""
    if path:
        return text_of(path, WORDS_BYTES_MAX)
    if options.json or not sys.stdin.isatty():
        raise Stop(USAGE, "the twelve words are needed: give --words-file FILE, or - for standard input", "CLI-97")
    return str(click.prompt("The twelve words", hide_input=True, err=True))


def recovery_pair(words: str, network: bytes, key: bytes) -> Pair:
    """The persona of this key and its recovery key. Raises CommandError IDN-1, or Stop 2 for somebody else's words."""
    from node import keystore

    for persona, recovery in keystore.pairs_of(" ".join(words.split()), network):
        if persona.key == key:
            return Pair(persona, recovery)
    raise Stop(USAGE, "words: are good, and not those of this persona in this network", "CLI-97")

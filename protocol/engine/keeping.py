"""One persona signs on one device: how a restored one comes back, and how two at once find out.

Decides when a restored device goes on, what makes a node stop, and what its person is told; which signatures are
refused meanwhile is protocol.engine.silence's. Spec: 18-keeping, KEP-10 to KEP-19.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from protocol import commands as ask
from protocol.encoding import decode, encode
from protocol.engine.network import relays
from protocol.engine.silence import ABSTAINS, FACT, QUIET, Keeping, is_used, keep, keeping, open_questions
from protocol.errors import CommandError
from protocol.params import BACKUP_NAG_MS, DEVICE_LIFE_MS, LISTEN_ROUNDS, RELAYS_ASKED
from protocol.record.record import Record, Slot
from protocol.trust.accountability import trust_scope

if TYPE_CHECKING:
    from protocol.engine.core import Core

BACKUP = "backup"  # the fact that says when the last one was made
_PATIENCE_ROUNDS = 10  # (g) reconciliations after which a person is told what it waits for
SAID_BY_OTHERS = ("attestation.1",)  # signed here, sealed, and published by whoever opens it (ATT-9)
# need -> the question that it answers
_ASKED = {"pledge": "pledges", "stand": "candidates", "vote": "ballots", "rfq": "deal", "commit": "commitments"}
_ASKED |= {"adopt": "adoptions", "renew": "renewals"}


@dataclass(slots=True)
class Returning:
    """How far a restored device is, in memory alone: a restart begins anew."""

    scopes: int = -1  # that it takes part in itself
    news: int = 0  # when their number changed last
    calls: dict[bytes, None] = field(default_factory=dict)  # of boards, that were looked into
    back: bool = False  # a moment ago


def restoring(now: int, needed: int, sure: bool) -> bytes:
    """The fact FACT of a device that begins with a backup, or with the words alone (KEP-10)."""
    return Keeping("restoring", now, needed, sure).to_bytes()


def attend(core: Core) -> None:
    """Go on from one state to the next, when its time has come."""
    if FACT not in core.facts:
        return
    now = keeping(core)
    if now.state == "restoring" and _told(core) >= now.relays:
        keep(core, now, state="listening", since=core.now, alone_from=core.now)
        for persona in list(core.personas.values()):
            if core.peek(trust_scope(persona.key)).slot("persona.1", persona.key, "persona"):
                core.keep(f"introduced/{persona.key.hex()}", b"1")  # by the old device; the words alone do not know
            scope, until = trust_scope(persona.key), core.now + DEVICE_LIFE_MS
            held = core.peek(scope).slot("device.1", persona.key, "device")
            seq = held[0].header.slot.seq + 1 if held and held[0].header.slot else 0
            body, slot = {"device": core.entropy(16)}, Slot("latest", "device", seq)
            core.say(persona, "device.1", scope, body, until=until, slot=slot, follow=True)
        core.notify("device", state="listening")
    elif now.state == "listening" and core.now >= _listened(core, now):
        keep(core, now, state="", since=core.now, used_until=0 if now.sure else core.now)
        core.returning.back = True
        core.dirty.update(dict.fromkeys(core.contexts))
        core.notify("device", state="")


def deadline(core: Core) -> int | None:
    """When to `attend` again."""
    if FACT not in core.facts:
        return None
    now = keeping(core)
    if now.state == "listening":
        return _listened(core, now)
    return core.now + core.settings.sync_ms // 4 if now.state == "restoring" else None


def _listened(core: Core, now: Keeping) -> int:
    return now.since + LISTEN_ROUNDS * core.settings.sync_ms


def _told(core: Core) -> int:
    """How many relays told all they hold of every scope this device takes part in, since the last such scope came."""
    own = sum(scope not in core.carried for scope in core.followed)
    if own != core.returning.scopes:
        core.returning.scopes, core.returning.news = own, core.now
    fresh = [peer for peer, when in core.relays.synced.items() if when > core.returning.news]
    return sum(not relays.strange(core, peer) for peer in fresh)


def is_twins(core: Core, record: Record, peer: str) -> bool:
    """Whether a record that comes from a peer shows that another device signs with a key of this one (KEP-15)."""
    if record.author not in core.personas or not peer or record.kind in SAID_BY_OTHERS:
        return False
    now, slot = keeping(core), record.header.slot
    quiet = now.state in ("restoring", "stopped", "retired")
    if quiet or record.header.created < now.alone_from or _is_held(core, record):
        return False
    latest = slot is not None and slot.mode == "latest"
    held = core.peek(record.scope).slot(record.kind, record.author, slot.name) if slot is not None and latest else ()
    # What this device replaced itself is no news.
    return not any(slot is not None and one.header.slot is not None and one.header.slot.seq > slot.seq for one in held)


def _is_held(core: Core, record: Record) -> bool:
    """Whether it is here, also in an envelope: whoever reads that may say again openly what was in it (ROO-13)."""
    found = core.contexts.get(record.scope)
    return record.id in core.ids(record.scope) or (found is not None and record.id in found.book.outer)


def stop(core: Core, record: Record) -> None:
    """That record was taken, or waits for others: sign nothing more until the person decides (KEP-15)."""
    what = {"kind": record.kind, "scope": record.scope, "created": record.header.created, "id": record.id}
    keep(core, keeping(core), state="stopped", since=core.now, heard=encode(what))
    core.notify("device", state="stopped", kind=record.kind, scope=record.scope)


# Commands


def go_on(core: Core, command: ask.GoOn) -> dict[str, Any]:
    """This is the device that goes on: ask relays what was said, tell the others, and sign again (KEP-17)."""
    now = keeping(core)
    if not 0 <= command.relays <= RELAYS_ASKED:
        raise CommandError("KEP-17", f"relays: from 0 to {RELAYS_ASKED}")
    if now.state == "listening" or (not now.state and not (command.nothing_since and now.used_until)):
        raise CommandError("KEP-17", "go on: this device signs already, or is about to; `wltm device` shows it")
    if not now.state:
        keep(core, now, used_until=0, sure=True)
    else:
        core.returning = Returning()
        keep(core, now, state="restoring", since=core.now, relays=command.relays, sure=command.nothing_since, heard=b"")
        core.next_sync = core.now
    return view(core)


def retire(core: Core, _: ask.Retire) -> dict[str, Any]:
    """This device signs no more, for another one does (KEP-17)."""
    keep(core, keeping(core), state="retired", since=core.now)
    return view(core)


def note_backup(core: Core, command: ask.NoteBackup) -> dict[str, Any]:
    """Remember when a backup was made, so that the next is not forgotten (KEP-8)."""
    core.keep(BACKUP, encode(min(command.made, core.now)))
    return view(core)


def view(core: Core) -> dict[str, Any]:
    """How this device stands, in values and in words."""
    now = keeping(core)
    told = _told(core) if now.state == "restoring" else 0
    made = decode(core.facts[BACKUP]) if BACKUP in core.facts else 0
    says, fix = _words(core, now, told)
    heard = decode(now.heard) if now.heard else {}
    return {
        "state": now.state or ("restored" if now.alone_from else ""),
        "since": now.since,
        "relays_needed": now.relays,
        "relays_told": told,
        "used_until": now.used_until,
        "heard": heard,
        "says": says,
        "fix": fix,
        "backup_made": made,
        "nag": _nag(core, made),
    }


def _words(core: Core, now: Keeping, told: int) -> tuple[str, str]:
    match now.state:
        case "restoring":
            says = f"Restored: {told} of {now.relays} relays have told what was said; until then nothing is signed."
            late = core.now > now.since + _PATIENCE_ROUNDS * core.settings.sync_ms
            fix = "Add a relay (`wltm peers add`), or be content with one: `wltm device go-on --one-relay`."
            return says, fix if late else ""
        case "listening":
            return "Restored: listening whether another device still signs for you; nothing is signed until then.", ""
        case "stopped":
            what = decode(now.heard)
            says = (
                f"Stopped: another device signed {what['kind']} in {what['scope']} with your key."
                " This one signs nothing until you decide."
            )
            return says, (
                "If this is the device to go on with: `wltm device go-on`, and switch off the other one. If the other"
                " is: `wltm device retire` here. If you know of no other, somebody has your keys: freeze the persona."
            )
        case "retired":
            return "Retired: this device signs nothing.", "`wltm device go-on` takes that back."
    if now.used_until:
        return "Restored: what was open before may have been answered already, so it is left unanswered here.", ""
    return "", ""


def _nag(core: Core, made: int) -> str:
    """A gentle word when much would be lost with the disk."""
    if not any(name.startswith("introduced/") for name in core.facts):
        return ""
    if not made:
        return "No backup was made yet: `wltm backup FILE`"
    coops = [one.log for one in core.contexts.values() if one.family == "coop"]
    joins = [join for log in coops for key in core.personas for join in log.by(key, "join.1")]
    if any(join.header.created > made for join in joins):
        return "You joined a co-op after the last backup: `wltm backup FILE` again"
    return "The last backup is old: `wltm backup FILE` again" if core.now - made > BACKUP_NAG_MS else ""


def needs(core: Core, found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """What waits for the person, as it is on this device: what it may not answer is said to be so (KEP-18)."""
    if FACT not in core.facts:
        return found
    now = keeping(core)
    kept = [_explained(core, one) for one in found]
    if now.state not in QUIET:
        return kept
    says, fix = _words(core, now, _told(core) if now.state == "restoring" else 0)
    silence = "Nothing is signed for you, and what closes meanwhile closes without you."
    one = {"kind": "device", "id": b"", "until": 0, "says": f"{says} {fix}".strip(), "silence": silence}
    return [one, *kept]


def _explained(core: Core, need: dict[str, Any]) -> dict[str, Any]:
    base = _ASKED.get(need["kind"])
    if base is None:
        return need
    scope = f"deal/{need['deal'].hex()}" if "deal" in need else f"coop/{need['coop'].hex()}"
    question = next((one for one in open_questions(core, scope) if one.name.partition("/")[0] == base), None)
    if question is None or not is_used(core, question.opened):
        return need
    return need | {"kind": "abstain", "says": f"You abstain ({need['kind']}): {ABSTAINS}."}


def abstains(core: Core, *scopes: str) -> list[dict[str, Any]]:
    """The open questions of a co-op and its deal that this device does not answer, and why (KEP-18)."""
    used = [one for scope in scopes for one in open_questions(core, scope) if is_used(core, one.opened)]
    return [{"question": one.name.partition("/")[0], "closes": one.closes, "says": ABSTAINS} for one in used]



"""What became of all that two have agreed: promises, voices, repairs, in numbers and in words.

Decides that from the records of the deals that both signed; never what one is to think of the other. Spec: 19-remedy,
RMD-25 and RMD-26.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from protocol.deal.life import DEAL_TERMINAL, Deal
from protocol.params import DAY_MS
from protocol.trust.case import CASE_TERMINAL, Remedy, Voice
from protocol.trust.voice import sides

_MENDED = ("settled", "remedied")
_HOUR_MS = 3_600_000


@dataclass(frozen=True, slots=True)
class Word:
    """What one of the two said in public of how the other kept their word; `remedied`: and took it to be put right."""

    author: bytes
    outcome: str
    remedied: bool


@dataclass(frozen=True, slots=True)
class Heard:
    """Voices about somebody: answered, unanswered, waiting, in doubt, or ended before their time was over (RMD-25)."""

    raised: int
    in_time: int
    late: int
    unanswered: int
    waiting: int
    doubted: int


@dataclass(frozen=True, slots=True)
class Relationship:
    """Counts and times of two, by whoever holds their deals. Times in Unix ms or ms; 0 where there is none."""

    deals: int
    since: int
    fulfilled: int
    unfulfilled: int
    kept: int  # words of the first about the second
    broken: int
    remedied: int
    said_kept: int  # and the other way about
    said_broken: int
    said_remedied: int
    mine: Heard
    theirs: Heard
    repaired: int
    ended: int
    repair_ms: int
    owed_to_me: tuple[Remedy, ...]
    owed_by_me: tuple[Remedy, ...]


def relationship(
    one: bytes, other: bytes, deals: Sequence[Deal], voices: Iterable[Voice], words: Iterable[Word], now: int
) -> Relationship:
    """Of `one` with `other`; deals that the two did not sign with each other are left out, and voices of others."""
    both = [deal for deal in deals if any(sides(deal, about.hash, one, other) for about in deal.agreements)]
    between = [voice for voice in voices if sorted(voice.pair) == sorted((one, other))]
    said = list(words)
    states = {voice.record.id: voice.stage(now).state for voice in between}
    ended = [voice for voice in between if states[voice.record.id] in (*CASE_TERMINAL, "unanswered")]
    ended = [voice for voice in ended if states[voice.record.id] != "withdrawn"]
    mended = sorted(_took(voice, now) for voice in ended if states[voice.record.id] in _MENDED)
    owed = [
        remedy
        for voice in between
        if states[voice.record.id] in ("repairing", "unconfirmed", "unremedied")
        for remedy in voice.remedies
        if not remedy.confirmed
    ]
    lines = [line for deal in both for line in _lines(deal, one, other)]

    def count(author: bytes, outcome: str, remedied: bool) -> int:
        return sum((word.author, word.outcome, word.remedied) == (author, outcome, remedied) for word in said)

    return Relationship(
        len(both),
        min((about.terms.start for deal in both for about in deal.agreements), default=0),
        lines.count(True),
        lines.count(False),
        count(one, "kept", False),
        count(one, "broken", False),
        count(one, "broken", True),
        count(other, "kept", False),
        count(other, "broken", False),
        count(other, "broken", True),
        heard((voice for voice in between if voice.author == one), now),
        heard((voice for voice in between if voice.author == other), now),
        len(mended),
        len(ended),
        mended[(len(mended) - 1) // 2] if mended else 0,
        tuple(remedy for remedy in owed if remedy.to == one),
        tuple(remedy for remedy in owed if remedy.by == one),
    )


def heard(voices: Iterable[Voice], now: int) -> Heard:
    """How those spoken to dealt with these voices, as far as it has come."""
    counted = [voice for voice in voices if voice.start <= now]
    sure = [voice for voice in counted if not voice.doubt]
    answered = [voice for voice in sure if 0 < voice.replied <= now]
    in_time = sum(voice.in_time for voice in answered)
    silent = [voice for voice in sure if voice not in answered]
    over = sum(any(one.state == "unanswered" and one.since <= now for one in voice.course) for voice in silent)
    waiting = sum(voice.stage(now).state == "raised" for voice in silent)
    doubted = len(counted) - len(sure)
    return Heard(len(counted), in_time, len(answered) - in_time, over, waiting, doubted)


def _took(voice: Voice, now: int) -> int:
    return voice.stage(now).since - voice.start


def _lines(deal: Deal, one: bytes, other: bytes) -> list[bool]:
    """Of each share between the two whether it was fulfilled, once that can be told."""
    every = [line for about in deal.agreements for line in about.accounts]
    found = [line for line in every if {line.member, line.supplier} == {one, other}]
    over = deal.state in DEAL_TERMINAL and deal.state != "countersigned"
    return [line.fulfilled for line in found if line.fulfilled or (over and not line.cancelled_by)]


def told(of: Relationship, now: int) -> tuple[str, ...]:
    """The same in sentences, `you` being the first of the two."""
    if not of.deals:
        return ("You have signed no deal with each other that this node holds.",)
    days = max(0, now - of.since) // DAY_MS
    since = f"{_number(days, 'day')} ago" if days else "today"
    says = [f"{_number(of.deals, 'deal')} together, the first {since}."]
    if of.fulfilled or of.unfulfilled:
        says.append(f"{_number(of.fulfilled, 'share')} delivered in full, {of.unfulfilled} not.")
    for who, whose, words in (
        ("You said that they", "their", (of.kept, of.broken, of.remedied)),
        ("They said that you", "your", (of.said_kept, of.said_broken, of.said_remedied)),
    ):
        if any(words):
            kept, broken, mended = (_number(count, "time") for count in words)
            says.append(f"{who} kept {whose} word {kept}, broke it {broken}, and put it right {mended}.")
    for who, whom, voices in (("You", "they", of.mine), ("They", "you", of.theirs)):
        if voices.raised:
            answered = f"{whom} answered {voices.in_time} in time and {voices.late} late"
            says.append(f"{who} raised {_number(voices.raised, 'voice')}; {answered}.")
            if voices.unanswered:
                says.append(f"{voices.unanswered} of these stand unanswered.")
            if voices.doubted:
                says.append(f"The answer to {voices.doubted} says nothing, by whoever raised it.")
    if of.ended:
        within = f", half of them within {_number(-(-of.repair_ms // _HOUR_MS), 'hour')}" if of.repaired else ""
        was = "was" if of.repaired == 1 else "were"
        says.append(f"{of.repaired} of {of.ended} that came to an end {was} put right{within}.")
    for remedies, whom in ((of.owed_to_me, "They owe you"), (of.owed_by_me, "You owe them")):
        late = sum(one.due < now and not one.done for one in remedies)
        if remedies:
            says.append(f"{whom} {_number(len(remedies), 'remedy', 'remedies')}, {late} of them overdue.")
    return tuple(says)


def _number(count: int, one: str, many: str = "") -> str:
    return f"{count} {one if count == 1 else many or one + 's'}"

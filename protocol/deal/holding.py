"""One scope of a bundle: the records at hand, and those that each step has turned out to need.

Decides by the rules of boxes and certificates what it takes to show that a question was answered; never which questions
a deal has. Spec: 12-bundle, BUN-7 and BUN-8.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from protocol.coop.box import Question, filled, judge_manifest, manifest_ids
from protocol.coop.decision import NIL, Council, Docket, slot_of, value_hash
from protocol.errors import Ignore, Reject
from protocol.record.log import Log
from protocol.record.record import Record

# Questions that everybody can answer, and the clause that does.
_COMPUTED = {"mandate": "ELE-30", "revision": "NEG-78", "award": "NEG-50"}


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that was found to hold, in words, and the clause that demands it."""

    name: str
    sentence: str
    clause: str


Tell = Callable[[Step], None]


def silently(step: Step) -> None:
    """For those who only want the result."""


class Holding:
    """One scope of a deal: the records at hand, and those that the deal has turned out to need."""

    def __init__(self, scope: str, records: Iterable[Record]) -> None:
        self.log, self.docket = Log(scope), Docket()
        here = sorted((one for one in records if one.scope == scope), key=lambda one: one.id)
        self.at_hand = {one.id: one for one in here}
        self._about: dict[tuple[str, str], list[Record]] = {}
        for one in here:
            if one.kind in ("receipt.1", "proposal.1", "vote.1"):
                self._about.setdefault((one.kind, one.body["question"]), []).append(one)

    def take(self, record: Record) -> None:
        """This record is needed."""
        try:
            added = self.log.add(record, wanted=True)
        except Ignore as error:
            raise Reject(error.code, error.message) from None
        if added.stored:
            self.docket.note(record)

    def take_least(self, kind: str, author: bytes, slot_name: str, field: str, value: bytes) -> bool:
        """Take the record with the least id of an author in a slot whose field has this value; whether there is one."""
        for one in self.at_hand.values():
            slot = one.header.slot
            there = one.kind == kind and one.author == author and slot is not None and slot.name == slot_name
            if there and one.body[field] == value:
                self.take(one)
                return True
        return False

    def certifies(self, question: Question, council: Council) -> bool:
        """Whether the certificate of a question is at hand."""
        try:
            return bool(self._certificate(question.name, council))
        except Reject:
            return False

    def decide(self, question: Question, council: Council) -> Step:
        """Take what certifies the answer to a question, and what the answer lists (BUN-7, BUN-8)."""
        proposal, *votes = self._certificate(question.name, council)
        for one in (proposal, *votes):
            self.take(one)
        base, value = question.name.partition("/")[0], proposal.body["value"]
        signed = f"{len(votes)} of {len(council.witnesses)} witnesses signed in round {proposal.body['round']}"
        if question.box is None:
            if value != question.value:
                raise Reject(_COMPUTED[base], f"{base}: what was certified is not what the records lead to")
            return Step(base, f"computed again and found the same; {signed}", _COMPUTED[base])
        ids = manifest_ids(value)
        for one_id in ids:
            if one_id not in self.at_hand:
                raise Reject("DEC-19", f"{base}: {one_id.hex()[:8]} is listed and missing")
            self.take(self.at_hand[one_id])
        needed = question.box.receipts_needed(council)
        for receipt in self._receipts(question.name, ids, council, needed):
            self.take(receipt)
        good = judge_manifest(self.log, self.docket, question, council, value, ())
        if good is None:
            raise Reject("DEC-14", f"{base}: a listed record lacks the receipts of {needed} witnesses")
        if not good and not filled(self.log, question.box, ids):
            raise Reject("DEC-20", f"{base}: of fewer than {question.box.least} witnesses")
        if not good:
            raise Reject("DEC-13", f"{base}: a listed record does not belong into this box")
        receipts = f"each with receipts of {needed} of them" if ids else "for nobody spoke"
        return Step(f"box of {base}", f"{len(ids)} listed, {receipts}; {signed}", "DEC-14")

    def _certificate(self, name: str, council: Council) -> list[Record]:
        """The proposal of the deciding round and a quorum of its precommits; the least (round, hash) of several."""
        cast: dict[tuple[int, bytes], dict[bytes, Record]] = {}
        for vote in self._about.get(("vote.1", name), []):
            body = vote.body
            if body["step"] == "precommit" and body["value"] != NIL and _stands(vote, body["round"], "precommit"):
                cast.setdefault((body["round"], body["value"]), {}).setdefault(vote.author, vote)
        most = 0
        for number, hashed in sorted(cast):
            by_author = cast[(number, hashed)]
            votes = [by_author[key] for key in council.witnesses if key in by_author]
            most = max(most, len(votes))
            if len(votes) < council.quorum:
                continue
            proposer = council.proposer(name, number)
            for proposal in self._about.get(("proposal.1", name), []):
                of_round = proposal.author == proposer and proposal.body["round"] == number
                if of_round and _stands(proposal, number) and value_hash(proposal.body["value"]) == hashed:
                    return [proposal, *votes[: council.quorum]]
        if most < council.quorum:
            raise Reject("DEC-1", f"{name}: {most} of the {council.quorum} signatures that decide are there")
        raise Reject("DEC-4", f"{name}: the proposal that holds the decided value is missing")

    def _receipts(self, name: str, ids: list[bytes], council: Council, needed: int) -> list[Record]:
        """Receipts of as many witnesses as are needed for each id, none of which can be spared; those that name least
        go first.
        """
        listed = dict.fromkeys(ids)
        given = [
            (receipt, named)
            for receipt in self._about.get(("receipt.1", name), [])
            if receipt.author in council.witnesses and (named := [one for one in receipt.body["ids"] if one in listed])
        ]
        said: dict[bytes, dict[bytes, int]] = {one: {} for one in ids}
        for receipt, named in given:
            for one in named:
                said[one][receipt.author] = said[one].get(receipt.author, 0) + 1
        kept: list[Record] = []
        for receipt, named in sorted(given, key=lambda pair: (len(pair[1]), pair[0].id)):
            if any(said[one][receipt.author] == 1 and len(said[one]) <= needed for one in named):
                kept.append(receipt)
                continue
            for one in named:
                said[one][receipt.author] -= 1
                if not said[one][receipt.author]:
                    del said[one][receipt.author]
        return kept


def _stands(record: Record, number: int, step: str = "") -> bool:
    """Whether a proposal or vote stands in its own slot, where a second one would show (DEC-2)."""
    slot = record.header.slot
    return slot is not None and slot.name == slot_of(record.body["question"], number, step)

"""Who attends to what: a family of scopes when something changed in it, a command when it is submitted.

Decides names only. Spec: 13-node, API-1.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from protocol import commands as ask
from protocol.engine import baseline, boundaries, desk, disclosures, keeping, queries, rooms, taste, terms
from protocol.engine.coop import board, faults, floor, ladder, leaving, membership, receipts, succeeding, vouching
from protocol.engine.core import Core
from protocol.engine.deal import (
    answering,
    asking,
    attesting,
    bettering,
    dealing,
    detailing,
    fulfilling,
    granting,
    selling,
    signing,
    supplying,
    talking,
    unsealing,
)
from protocol.engine.needs import needs
from protocol.engine.network import policy, post, relays, steward
from protocol.engine import personas

ATTEND: Mapping[str, tuple[Callable[[Core, Any], None], ...]] = {
    "board": (board.attend, ladder.attend, faults.on_board),
    "coop": (membership.attend, leaving.attend, rooms.attend),
    "deal": (
        dealing.attend,
        leaving.answer,
        supplying.attend,
        bettering.attend,
        detailing.attend,
        granting.attend,
        unsealing.attend,
        rooms.attend,
    ),
    "mail": (post.attend,),
    "trust": (steward.attend,),
}
# What goes on while a device signs nothing (KEP-11): finding out where it belongs. The rest follows when it signs again.
QUIETLY: Mapping[str, tuple[Callable[[Core, Any], None], ...]] = {
    "coop": (membership.attend,),
    "deal": (dealing.attend,),
    "mail": (post.attend,),
    "trust": (steward.attend,),
}
COMMANDS: Mapping[type, Callable[[Core, Any], Any]] = {
    ask.MakePersona: personas.make,
    ask.UsePersona: personas.use,
    ask.AskPersonas: lambda core, _: personas.personas(core),
    ask.SetBaseline: baseline.set_baseline,
    ask.SetBoundaries: boundaries.set_boundaries,
    ask.SetPreference: taste.set_preference,
    ask.AskCard: taste.ask_card,
    ask.AnswerCard: taste.answer_card,
    ask.AskPreference: taste.ask_preference,
    ask.CorrectPreference: taste.correct_preference,
    ask.ForgetPreference: taste.forget_preference,
    ask.AddIntent: desk.add_intent,
    ask.WithdrawIntent: desk.withdraw_intent,
    ask.WidenIntent: ladder.widen,
    ask.Watch: desk.watch,
    ask.FoundCoop: desk.found_coop,
    ask.Invite: desk.invite,
    ask.JoinCoop: desk.join_coop,
    ask.Pledge: floor.pledge,
    ask.Stand: floor.stand,
    ask.Vote: floor.vote,
    ask.Recall: floor.recall,
    ask.Vouch: vouching.vouch,
    ask.LeaveCoop: leaving.leave,
    ask.ProposeCoop: succeeding.propose,
    ask.AskReceipts: receipts.receipts,
    ask.AskInclusion: receipts.inclusion,
    ask.OpenRfq: asking.open_rfq,
    ask.Query: talking.query,
    ask.Respond: talking.respond,
    ask.Suggest: talking.suggest,
    ask.Adopt: talking.adopt,
    ask.Counter: bettering.counter,
    ask.Final: bettering.final,
    ask.AskTalk: talking.talk,
    ask.Answer: answering.answer,
    ask.Commit: signing.commit,
    ask.Decline: signing.decline,
    ask.Repair: signing.repair,
    ask.Report: fulfilling.report,
    ask.Cancel: fulfilling.cancel,
    ask.Substitute: fulfilling.substitute,
    ask.Consent: fulfilling.consent,
    ask.AnswerRenewal: fulfilling.answer_renewal,
    ask.Attest: attesting.attest,
    ask.AddPeer: lambda core, command: relays.add(core, command.address, command.invited),
    ask.NoticePeer: lambda core, command: relays.notice(core, command.address),
    ask.ForgetPeer: lambda core, command: relays.forget(core, command.address),
    ask.AskPeers: lambda core, _: queries.peers(core),
    ask.AskMesh: lambda core, _: queries.peers(core),
    ask.SetRule: steward.set_rule,
    ask.LiftRule: steward.lift_rule,
    ask.PublishPolicy: policy.publish,
    ask.FollowNotices: steward.follow,
    ask.UnfollowNotices: steward.unfollow,
    ask.MakeToken: post.make_token,
    ask.RevokeToken: post.revoke_token,
    ask.SendMail: post.send,
    ask.DropMail: post.drop,
    ask.AskRules: lambda core, _: steward.rules(core),
    ask.AskPolicy: policy.policy,
    ask.AskMail: lambda core, _: post.mailbox(core),
    ask.AskNumbers: lambda core, _: queries.numbers(core),
    ask.AskStatus: lambda core, _: queries.status(core),
    ask.AskNeeds: lambda core, _: needs(core),
    ask.AskBoard: queries.board,
    ask.AskIntents: lambda core, _: queries.intents(core),
    ask.AskCoops: lambda core, _: queries.coops(core),
    ask.AskCoop: queries.coop_detail,
    ask.AskInvitations: desk.invitations,
    ask.AskDeals: lambda core, _: queries.deals(core),
    ask.AskBundle: queries.bundle,
    ask.AskStanding: queries.standing_of,
    ask.AskDigest: queries.digest,
    ask.AskDevice: lambda core, _: keeping.view(core),
    ask.GoOn: keeping.go_on,
    ask.Retire: keeping.retire,
    ask.NoteBackup: keeping.note_backup,
    **selling.COMMANDS,
    **detailing.COMMANDS,
    **granting.COMMANDS,
    **disclosures.COMMANDS,
    **terms.COMMANDS,
}

"""What the local user may ask of the node: plain values in, so that browser, CLI and tests say the same thing.

Decides nothing; the engine checks every field again and answers CommandError with a sentence. Amounts are integer minor
units per template unit and period; times are Unix ms; keys and ids are bytes. Spec: 13-node, API-1.
"""

from __future__ import annotations

from protocol.commands.contract import AnswerRenewal, Cancel, Consent, Repair, Report, Substitute
from protocol.commands.coop import (
    AskInclusion,
    AskReceipts,
    FoundCoop,
    Invite,
    JoinCoop,
    Pledge,
    Recall,
    Stand,
    Vote,
    Vouch,
)
from protocol.commands.deal import (
    Adopt,
    Answer,
    Attest,
    Commit,
    Counter,
    Decline,
    Final,
    OpenRfq,
    Query,
    Respond,
    Suggest,
)
from protocol.commands.member import (
    AddIntent,
    SetBoundaries,
    Watch,
    WithdrawIntent,
)
from protocol.commands.network import (
    AddPeer,
    DropMail,
    FollowNotices,
    ForgetPeer,
    LiftRule,
    MakeToken,
    NoticePeer,
    PublishPolicy,
    RevokeToken,
    SendMail,
    SetRule,
    UnfollowNotices,
)
from protocol.commands.supply import (
    AskArticles,
    AskFeed,
    AskOrder,
    AskRequests,
    AskSupply,
    Countersign,
    PassRequest,
    PutArticles,
    Quote,
    ReleaseCapacity,
    SetPrices,
    SetSupplyRules,
    SupplyCommand,
)
from protocol.commands.taste import (
    AnswerCard,
    AskCard,
    AskPreference,
    CorrectPreference,
    ForgetPreference,
    SetPreference,
    TasteCommand,
)
from protocol.commands.views import (
    AskBoard,
    AskBundle,
    AskCoop,
    AskCoops,
    AskDeals,
    AskDigest,
    AskIntents,
    AskMail,
    AskMesh,
    AskNeeds,
    AskNumbers,
    AskPeers,
    AskPolicy,
    AskRules,
    AskStanding,
    AskStatus,
    AskTalk,
)

__all__ = [
    "AddIntent",
    "AddPeer",
    "Adopt",
    "Answer",
    "AnswerCard",
    "AnswerRenewal",
    "AskArticles",
    "AskBoard",
    "AskBundle",
    "AskCard",
    "AskCoop",
    "AskCoops",
    "AskDeals",
    "AskDigest",
    "AskFeed",
    "AskInclusion",
    "AskIntents",
    "AskMail",
    "AskMesh",
    "AskNeeds",
    "AskNumbers",
    "AskOrder",
    "AskPeers",
    "AskPolicy",
    "AskPreference",
    "AskReceipts",
    "AskRequests",
    "AskRules",
    "AskStanding",
    "AskStatus",
    "AskSupply",
    "AskTalk",
    "Attest",
    "Cancel",
    "Command",
    "Commit",
    "Consent",
    "CorrectPreference",
    "Counter",
    "Countersign",
    "Decline",
    "DropMail",
    "Final",
    "FollowNotices",
    "ForgetPeer",
    "ForgetPreference",
    "FoundCoop",
    "Invite",
    "JoinCoop",
    "LiftRule",
    "MakeToken",
    "NoticePeer",
    "OpenRfq",
    "PassRequest",
    "Pledge",
    "PublishPolicy",
    "PutArticles",
    "Query",
    "Quote",
    "Recall",
    "ReleaseCapacity",
    "Repair",
    "Report",
    "Respond",
    "RevokeToken",
    "SendMail",
    "SetBoundaries",
    "SetPreference",
    "SetPrices",
    "SetRule",
    "SetSupplyRules",
    "Stand",
    "Substitute",
    "Suggest",
    "SupplyCommand",
    "TasteCommand",
    "UnfollowNotices",
    "Vote",
    "Vouch",
    "Watch",
    "WithdrawIntent",
]

# fmt: off
Command = (
    SetBoundaries | AddIntent | WithdrawIntent | Watch | FoundCoop | Invite | JoinCoop | Pledge
    | Stand | Vote | Recall | Vouch | AskReceipts | AskInclusion | OpenRfq | Commit | Decline | Report | Attest
    | SetRule | LiftRule | PublishPolicy | FollowNotices | UnfollowNotices | MakeToken | RevokeToken | SendMail
    | DropMail | AddPeer | ForgetPeer | AskPeers | AskMesh | AskStatus | AskNeeds | AskBoard | AskIntents | AskCoops
    | AskCoop | AskDeals | AskBundle | Repair | Cancel | Substitute | Consent | AnswerRenewal | Query | Respond
    | Suggest | Adopt | Counter | Final | AskTalk | AskStanding | AskDigest | AskRules | AskPolicy | AskMail | AskNumbers
    | SupplyCommand | TasteCommand
)
# fmt: on

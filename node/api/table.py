"""Every command and query of the node as method and path: the whole local API on one screen.

Decides names only. Fields of a command that are not in the path come from the JSON body, or from the query of a GET.
Spec: 13-node, API-1.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from node.api import convert
from protocol import commands as c

PREFIX = "/api/v1"


@dataclass(frozen=True, slots=True)
class Route:
    """One command; `path` is below PREFIX, `{name}` in it is a field of the command."""

    method: str
    path: str
    command: type[Any]

    @property
    def in_path(self) -> tuple[str, ...]:
        """The fields that the path holds."""
        return tuple(re.findall(r"{(\w+)", self.path))

    @property
    def summary(self) -> str:
        """The first sentence of what the command says about itself."""
        return " ".join((self.command.__doc__ or "").split())


ROUTES = (
    Route("GET", "/status", c.AskStatus),
    Route("GET", "/personas", c.AskPersonas),
    Route("POST", "/personas", c.MakePersona),
    Route("PUT", "/personas", c.UsePersona),
    Route("GET", "/personas/linkage", c.AskLinkage),
    Route("POST", "/personas/find", c.FindPersonas),
    Route("POST", "/personas/recovery", c.AskRecovery),
    Route("POST", "/personas/records", c.HandIn),
    Route("POST", "/personas/proofs", c.Prove),
    Route("PUT", "/personas/proofs", c.TakeProof),
    Route("DELETE", "/personas/proofs/{persona}", c.DropProof),
    Route("GET", "/needs", c.AskNeeds),
    Route("GET", "/device", c.AskDevice),
    Route("POST", "/device/go-on", c.GoOn),
    Route("POST", "/device/retire", c.Retire),
    Route("POST", "/device/backup", c.NoteBackup),
    Route("POST", "/vanish", c.Vanish),
    Route("DELETE", "/vanish", c.Stay),
    Route("GET", "/peers", c.AskPeers),
    Route("GET", "/mesh", c.AskMesh),
    Route("POST", "/peers", c.AddPeer),
    Route("POST", "/peers/forget", c.ForgetPeer),
    Route("GET", "/board/{category}/{region}", c.AskBoard),
    Route("POST", "/watch", c.Watch),
    Route("GET", "/intents", c.AskIntents),
    Route("POST", "/intents", c.AddIntent),
    Route("DELETE", "/intents/{name}", c.WithdrawIntent),
    Route("POST", "/intents/{name}/widen", c.WidenIntent),
    Route("PUT", "/intents/{intent}/baseline", c.SetBaseline),
    Route("PUT", "/boundaries", c.SetBoundaries),
    Route("PUT", "/preferences", c.SetPreference),
    Route("GET", "/prefer/{category}", c.AskPreference),
    Route("GET", "/prefer/{category}/card", c.AskCard),
    Route("POST", "/prefer/{category}/card", c.AnswerCard),
    Route("PUT", "/prefer/{category}/{attribute}", c.CorrectPreference),
    Route("DELETE", "/prefer/{category}", c.ForgetPreference),
    Route("PUT", "/prices", c.SetPrices),
    Route("GET", "/details", c.AskDetails),
    Route("PUT", "/details", c.SetDetails),
    Route("GET", "/deals/{deal}/details", c.AskFlow),
    Route("POST", "/deals/{deal}/details", c.SendDetails),
    Route("DELETE", "/deals/{deal}/details", c.BlankDetails),
    Route("GET", "/terms", c.AskTerms),
    Route("PUT", "/terms", c.ChooseTerms),
    Route("GET", "/grants", c.AskGrants),
    Route("POST", "/deals/{deal}/grants", c.Grant),
    Route("POST", "/deals/{deal}/grants/{grant}/accept", c.AcceptGrant),
    Route("DELETE", "/deals/{deal}/grants/{grant}", c.RevokeGrant),
    Route("POST", "/deals/{deal}/receipts", c.ReceiptUse),
    Route("GET", "/disclosures", c.AskDisclosures),
    Route("GET", "/supplier", c.AskSupply),
    Route("GET", "/supplier/articles", c.AskArticles),
    Route("POST", "/supplier/articles", c.PutArticles),
    Route("PUT", "/supplier/rules", c.SetSupplyRules),
    Route("PUT", "/supplier/domain", c.ClaimDomain),
    Route("GET", "/supplier/feed", c.AskFeed),
    Route("GET", "/supplier/requests", c.AskRequests),
    Route("POST", "/supplier/requests/{deal}/quote", c.Quote),
    Route("POST", "/supplier/requests/{deal}/pass", c.PassRequest),
    Route("POST", "/supplier/requests/{deal}/countersign", c.Countersign),
    Route("POST", "/supplier/requests/{deal}/release", c.ReleaseCapacity),
    Route("GET", "/supplier/requests/{deal}/order", c.AskOrder),
    Route("GET", "/coops", c.AskCoops),
    Route("POST", "/coops", c.FoundCoop),
    Route("GET", "/coops/{coop}", c.AskCoop),
    Route("GET", "/coops/{coop}/bundle", c.AskBundle),
    Route("POST", "/coops/{coop}/invite", c.Invite),
    Route("GET", "/coops/{coop}/invitations", c.AskInvitations),
    Route("POST", "/coops/{coop}/join", c.JoinCoop),
    Route("POST", "/coops/{coop}/leave", c.LeaveCoop),
    Route("POST", "/coops/{coop}/propose", c.ProposeCoop),
    Route("POST", "/coops/{coop}/pledge", c.Pledge),
    Route("POST", "/coops/{coop}/stand", c.Stand),
    Route("POST", "/coops/{coop}/vote", c.Vote),
    Route("POST", "/coops/{coop}/recall", c.Recall),
    Route("GET", "/coops/{coop}/receipts", c.AskReceipts),
    Route("GET", "/coops/{coop}/receipts/{kind}", c.AskInclusion),
    Route("POST", "/vouches", c.Vouch),
    Route("POST", "/coops/{coop}/rfq", c.OpenRfq),
    Route("GET", "/deals", c.AskDeals),
    Route("GET", "/deals/{deal}/talk", c.AskTalk),
    Route("POST", "/deals/{deal}/messages", c.SayInChannel),
    Route("POST", "/deals/{deal}/queries", c.Query),
    Route("POST", "/deals/{deal}/replies", c.Respond),
    Route("POST", "/deals/{deal}/suggestions", c.Suggest),
    Route("POST", "/deals/{deal}/adoptions", c.Adopt),
    Route("POST", "/deals/{deal}/counters", c.Counter),
    Route("POST", "/deals/{deal}/final", c.Final),
    Route("POST", "/deals/{deal}/answer", c.Answer),
    Route("POST", "/deals/{deal}/commit", c.Commit),
    Route("POST", "/deals/{deal}/decline", c.Decline),
    Route("POST", "/deals/{deal}/repair", c.Repair),
    Route("POST", "/deals/{deal}/report", c.Report),
    Route("POST", "/deals/{deal}/cancel", c.Cancel),
    Route("POST", "/deals/{deal}/substitute", c.Substitute),
    Route("POST", "/deals/{deal}/consent", c.Consent),
    Route("POST", "/deals/{deal}/renewal", c.AnswerRenewal),
    Route("POST", "/deals/{deal}/attest", c.Attest),
    Route("GET", "/voices", c.AskVoices),
    Route("POST", "/deals/{deal}/voices", c.RaiseVoice),
    Route("GET", "/voices/{voice}", c.AskVoice),
    Route("POST", "/voices/{voice}/words", c.SayWords),
    Route("POST", "/voices/{voice}/steps", c.TakeStep),
    Route("POST", "/voices/{voice}/unheard", c.TellUnheard),
    Route("POST", "/voices/{voice}/mediators", c.NameMediators),
    Route("POST", "/voices/{voice}/plans", c.ProposePlan),
    Route("PUT", "/voices/{voice}/pulse", c.SetPulse),
    Route("GET", "/mediators", c.AskMediators),
    Route("PUT", "/mediation", c.OfferMediation),
    Route("GET", "/relationship/{subject}", c.AskRelationship),
    Route("GET", "/coops/{coop}/health", c.AskHealth),
    Route("GET", "/standing/{subject}", c.AskStanding),
    Route("GET", "/digest/{scope:.+}", c.AskDigest),
    Route("GET", "/rules", c.AskRules),
    Route("POST", "/rules", c.SetRule),
    Route("POST", "/rules/lift", c.LiftRule),
    Route("GET", "/policy", c.AskPolicy),
    Route("PUT", "/policy", c.PublishPolicy),
    Route("PUT", "/notices/{persona}", c.FollowNotices),
    Route("DELETE", "/notices/{persona}", c.UnfollowNotices),
    Route("GET", "/numbers", c.AskNumbers),
    Route("GET", "/mail", c.AskMail),
    Route("POST", "/mail", c.SendMail),
    Route("DELETE", "/mail/{letter}", c.DropMail),
    Route("POST", "/mail/tokens", c.MakeToken),
    Route("DELETE", "/mail/tokens/{secret}", c.RevokeToken),
)


def openapi() -> dict[str, Any]:
    """The table as an OpenAPI 3.1 document (API-13)."""
    paths: dict[str, dict[str, Any]] = {}
    for route in ROUTES:
        path = re.sub(r":[^}]*", "", PREFIX + route.path)
        paths.setdefault(path, {})[route.method.lower()] = _operation(route)
    failure = {"type": "object", "properties": {"code": {"type": "string"}, "message": {"type": "string"}}}
    error = {"type": "object", "properties": {"error": failure}, "required": ["error"]}
    return {
        "openapi": "3.1.0",
        "info": {"title": "wltm local API", "version": "1"},
        "paths": paths,
        "components": {
            "schemas": {"Error": error},
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
        "security": [{"token": []}],
    }


def _operation(route: Route) -> dict[str, Any]:
    known = convert.shape(route.command)
    outside = {name: found for name, found in known.items() if name not in route.in_path}
    parameters = [
        {"name": name, "in": "path", "required": True, "schema": convert.schema(known[name][0])}
        for name in route.in_path
    ]
    failed = {"description": "One sentence why not", "content": _json({"$ref": "#/components/schemas/Error"})}
    operation: dict[str, Any] = {
        "operationId": route.command.__name__,
        "summary": route.summary,
        "responses": {"200": {"description": "Done, and durable"}, "default": failed},
    }
    if route.method == "GET":
        parameters += [
            {"name": name, "in": "query", "required": required, "schema": convert.schema(kind)}
            for name, (kind, required) in outside.items()
        ]
    elif outside:
        body = {
            "type": "object",
            "properties": {name: convert.schema(kind) for name, (kind, _) in outside.items()},
            "required": [name for name, (_, required) in outside.items() if required],
            "additionalProperties": False,
        }
        operation["requestBody"] = {"required": bool(body["required"]), "content": _json(body)}
    if parameters:
        operation["parameters"] = parameters
    return operation


def _json(schema: dict[str, Any]) -> dict[str, Any]:
    return {"application/json": {"schema": schema}}

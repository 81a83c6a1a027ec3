"""The four verdicts a piece of input can meet, each an exception with a clause code.

Accepting raises nothing. `code` is the clause of `spec/` that was broken ("REC-4"); `message` names the field and
what to do.
Spec: 01-record, REC-1 to REC-3.
"""


class ProtocolError(Exception):
    """Base of the verdicts below; never raised itself."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"{message} [{code}]")
        self.code = code
        self.message = message


class Reject(ProtocolError):
    """The bytes are bad for every node, for ever; whoever forwarded them is at fault."""


class Ignore(ProtocolError):
    """Not now, or not here: depends on state, clock, budget, policy or missing refs. Nobody is at fault."""


class CommandError(ProtocolError):
    """The local user asked for something that cannot be done; the message says what to do instead."""


class Silent(CommandError):
    """This device signs nothing now, or not this: it may have been said by another with the same key (KEP-11)."""


class NotNow(CommandError):
    """The same request can be right at another time: a box that is not open, an award that is not there yet."""

"""What a disk or a database server can do to a node, in three words.

Decides nothing; each sentence is made where the failure is understood. Spec: 14-store, STO-5, STO-6, STO-25.
"""

from protocol.errors import CommandError


class StoreError(CommandError):
    """The disk does not do what it must; the message names the file or database and what to do."""


class StoreFull(StoreError):
    """Nothing more fits; nothing was written (STO-5)."""


class StoreAway(StoreError):
    """The database server does not answer, or not yet: nothing can be read either, until it does (STO-25)."""

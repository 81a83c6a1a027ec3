"""py-libp2p as we let a stranger meet it: what of it is loaded, and which bytes reach it.

The host is put together from the library's own layers (multistream-select, the Noise handshake) without its Swarm and
BasicHost, whose tasks a peer can end, and which dial, prune and blacklist by themselves, and with a muxer of our own
(`muxer`, `yamux`) that holds no more than the windows allow. The negotiation is bounded here by a reader of our own.
Nothing is read from a file of the library whose source has changed since it was reviewed: see `check_sources`.
Spec: 03-mesh, MSH-1 and MSH-2.
"""

from __future__ import annotations

import ctypes
import hashlib
import importlib.util
import logging
import os
import signal
import sys
import types
from pathlib import Path
from typing import Any

_REVIEWED = {  # sha256, first 16 digits, of libp2p 0.8.1
    "crypto/serialization.py": "f37fe58367ad9e75",
    "custom_types.py": "4a6150e13a8553b6",
    "io/trio.py": "1bc7be280610c1b1",
    "io/utils.py": "7b2e957276be92e5",
    "network/connection/raw_connection.py": "5b75c7d077a97921",
    "protocol_muxer/multiselect.py": "35d4c8434c77b837",
    "protocol_muxer/multiselect_client.py": "3f778859bcadddc0",
    "security/noise/io.py": "a2194d3c2695e688",
    "security/noise/patterns.py": "07410f643eb4a988",
    "security/noise/transport.py": "427f35210f962109",
    "security/secure_session.py": "3c56b3b06f2ec6df",
}
# Packages whose __init__ imports the whole library, loaded without it: 54 MB instead of 91, a third of the start time.
_WITHOUT_INIT = ("libp2p", "libp2p.network", "libp2p.transport", "libp2p.transport.quic")
# Names that are imported for annotations or for keys we refuse (MSH-1), so that their modules need not be loaded.
_PLACEHOLDERS = {
    "libp2p.transport.quic.stream": ("QUICStream",),
    "libp2p.crypto.rsa": ("RSAPrivateKey", "RSAPublicKey"),
    "libp2p.crypto.secp256k1": ("Secp256k1PrivateKey", "Secp256k1PublicKey"),
}


class SourceChanged(Exception):
    """The installed library is not the one this file was written against."""


def check_sources(root: Path) -> None:
    """Raises SourceChanged unless every file we rely on under `root` is the reviewed one."""
    for name, reviewed in _REVIEWED.items():
        try:
            found = hashlib.sha256((root / name).read_bytes()).hexdigest()[:16]
        except OSError:
            found = "missing"
        if found != reviewed:
            raise SourceChanged(f"libp2p/{name} is not that of version 0.8.1: install exactly libp2p==0.8.1")


def _load_narrowly() -> None:
    """Check the library's sources and arrange that importing a part of it does not load all of it."""
    spec = importlib.util.find_spec("libp2p")
    if spec is None or not spec.submodule_search_locations:
        raise SourceChanged("libp2p is not installed")
    root = Path(spec.submodule_search_locations[0])
    check_sources(root)
    for name in _WITHOUT_INIT:
        package = types.ModuleType(name)
        package.__path__ = [str(root.joinpath(*name.split(".")[1:]))]
        sys.modules[name] = package
    for name, classes in _PLACEHOLDERS.items():
        module = types.ModuleType(name)
        for placeholder in classes:
            setattr(module, placeholder, type(placeholder, (), {"from_bytes": None}))
        sys.modules[name] = module


_load_narrowly()

from libp2p.abc import IMultiselectCommunicator  # noqa: E402
from libp2p.crypto import serialization  # noqa: E402
from libp2p.crypto.ed25519 import create_new_key_pair  # noqa: E402
from libp2p.crypto.keys import KeyType  # noqa: E402
from libp2p.crypto.x25519 import create_new_key_pair as create_noise_key_pair  # noqa: E402
from libp2p.io.trio import TrioTCPStream  # noqa: E402
from libp2p.network.connection.raw_connection import RawConnection  # noqa: E402
from libp2p.peer.id import ID  # noqa: E402
from libp2p.protocol_muxer.exceptions import MultiselectCommunicatorError  # noqa: E402
from libp2p.protocol_muxer.multiselect import Multiselect  # noqa: E402
from libp2p.protocol_muxer.multiselect_client import MultiselectClient  # noqa: E402
from libp2p.security.noise.transport import PROTOCOL_ID as NOISE  # noqa: E402
from libp2p.security.noise.transport import Transport as Noise  # noqa: E402

from node.mesh import yamux  # noqa: E402
from node.mesh.budget import Budget  # noqa: E402
from node.mesh.muxer import Line, Muxer  # noqa: E402

NEGOTIATION_BYTES_MAX = 1024  # MSH-2
_EXIT_OUT_OF_MEMORY = 70
_LOG_LINES_PER_S, _LOG_LINES_BURST = 5.0, 100.0  # (g)
_PR_SET_PDEATHSIG = 1

# Only Ed25519 keys exist (MSH-1): a 60 kB RSA key would hold the process for minutes.
for _key_type in [*serialization.key_type_to_public_key_deserializer]:
    if _key_type != KeyType.Ed25519.value:
        del serialization.key_type_to_public_key_deserializer[_key_type]


def end_for_memory() -> None:
    """The one answer to MemoryError: end now; the daemon starts a new process, and nothing runs on half-built state."""
    os._exit(_EXIT_OUT_OF_MEMORY)


def bind_to_parent(parent_pid: int) -> None:
    """End with the daemon, even when it is killed and something else still holds its end of the socket."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != parent_pid:
            os._exit(0)


def bound_memory(bytes_max: int) -> None:
    """Make an allocation beyond `bytes_max` fail."""
    if sys.platform != "win32":
        import resource

        # Not RLIMIT_AS: each thread's arena eats address space, and the limit strikes at odd places.
        resource.setrlimit(resource.RLIMIT_DATA, (bytes_max, bytes_max))


class Communicator(IMultiselectCommunicator):
    """multistream-select messages, each bounded before it is read (MSH-2)."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection

    async def write(self, msg_str: str) -> None:
        """Send one message. Raises MultiselectCommunicatorError."""
        line = msg_str.encode() + b"\n"
        size = bytes([len(line)]) if len(line) < 128 else bytes([len(line) & 127 | 128, len(line) >> 7])
        await self._guarded(self._connection.write(size + line))

    async def read(self) -> str:
        """The next message without its newline. Raises MultiselectCommunicatorError."""
        size = shift = 0
        while True:
            byte = (await self._exactly(1))[0]
            size |= (byte & 127) << shift
            shift += 7
            if size > NEGOTIATION_BYTES_MAX or shift > 14:
                raise MultiselectCommunicatorError("a message is too long")
            if byte < 128:
                break
        line = await self._exactly(size)
        if not line.isascii() or not line.endswith(b"\n"):
            raise MultiselectCommunicatorError("a message is not a line of ASCII")
        return line[:-1].decode("ascii")

    async def _exactly(self, count: int) -> bytes:
        data = b""
        while len(data) < count:
            more = await self._guarded(self._connection.read(count - len(data)))
            if not more:
                raise MultiselectCommunicatorError("the stream ended")
            data += more
        return data

    async def _guarded(self, operation: Any) -> Any:
        try:
            return await operation
        except MemoryError:
            end_for_memory()
        except Exception as error:
            raise MultiselectCommunicatorError(str(error)) from error


class Sparing(logging.Filter):
    """Lets a bounded number of lines through, so that nobody outside can fill the disk."""

    def __init__(self) -> None:
        super().__init__()
        self._budget = Budget(_LOG_LINES_PER_S, _LOG_LINES_BURST)

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether this line may be written."""
        return self._budget.spend()


class Identity:
    """Our PeerId and the keys that prove it."""

    def __init__(self, seed: bytes) -> None:
        pair = create_new_key_pair(seed)
        self.peer = str(ID.from_pubkey(pair.public_key).to_base58())
        self._noise = Noise(pair, create_noise_key_pair().private_key)

    async def accept(self, tcp: Any) -> tuple[str, Muxer]:
        """(peer id, muxer that does not run yet) of a socket that somebody opened to us. Raises many kinds of
        Exception."""
        raw = RawConnection(TrioTCPStream(tcp), False)
        await answer(raw, NOISE)
        session = await self._noise.secure_inbound(raw)
        line = Line(tcp, session.conn.noise_state)
        await answer(line, yamux.PROTOCOL_ID)
        return str(session.get_remote_peer().to_base58()), Muxer(line, dialler=False)

    async def connect(self, tcp: Any, peer: str) -> tuple[str, Muxer]:
        """As `accept`, for a socket that we opened; raises too when another peer answers than `peer`."""
        raw = RawConnection(TrioTCPStream(tcp), True)
        await ask(raw, NOISE)
        session = await self._noise.secure_outbound(raw, ID.from_base58(peer))
        line = Line(tcp, session.conn.noise_state)
        await ask(line, yamux.PROTOCOL_ID)
        return str(session.get_remote_peer().to_base58()), Muxer(line, dialler=True)


async def answer(connection: Any, *protocols: str) -> None:
    """Negotiate as the side that was called; raises unless one of `protocols` is agreed on."""
    await Multiselect(dict.fromkeys(protocols)).negotiate(Communicator(connection))


async def ask(connection: Any, protocol: str) -> None:
    """Negotiate as the side that calls; raises unless the other side speaks `protocol`."""
    await MultiselectClient().select_one_of([protocol], Communicator(connection))

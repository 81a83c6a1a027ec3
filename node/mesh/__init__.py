"""The mesh: a libp2p host in a process of its own, behind five verbs (start, publish, send, dial, stop).

Importing this package loads neither trio nor libp2p. Spec: 03-mesh.
"""

from node.mesh.bridge import (
    Acknowledged,
    Connected,
    Disconnected,
    Limits,
    Measured,
    MeshEvent,
    Message,
    Overflow,
    Received,
    Restarted,
    Traffic,
    weight,
)
from node.mesh.client import MeshClient, MeshConfig, MeshError

__all__ = [
    "Acknowledged",
    "Connected",
    "Disconnected",
    "Limits",
    "Measured",
    "MeshClient",
    "MeshConfig",
    "MeshError",
    "MeshEvent",
    "Message",
    "Overflow",
    "Received",
    "Restarted",
    "Traffic",
    "weight",
]

"""`python -m node.demo.keys HOME…`: makes the keys of new homes, in a process of its own that ends with them.

Decides nothing. So the demo itself never holds a key, nor the words that would restore one. Spec: 13-node, CLI-20.
"""

import sys
from pathlib import Path

from node import keystore

if __name__ == "__main__":
    for home in sys.argv[1:]:
        keystore.create(Path(home), None, None)

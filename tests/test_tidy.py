"""The house rules as a test: who may import whom, the purity of protocol/, sizes, clauses and their cases.

Each rule is a function from a file's name and text to complaints, so that beside "nothing to complain about" stands a
control which shows that the rule can complain.
"""

import ast
import re
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterable, Iterator
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]

# A file of protocol/ imports only files to its left; what stands before a colon is the folder.
ORDER = tuple(
    f"{folder}/{name}".removeprefix("./")
    for folder, _, names in (
        line.partition(": ")
        for line in (
            ".: params errors encoding identity sealing",
            "record: schema shapes kinds_attest kinds_consent kinds_coop kinds_deal kinds_keeping kinds_people",
            "record: kinds_persona kinds_remedy kinds_room kinds record outline",
            "coop: units template",
            ".: commands events",
            "record: rows",
            "network: index bounds",
            "record: log",
            "network: shelf sync gossip broadcast overlay rules mail",
            "room: ratchet epoch book",
            "coop: preference cards worth division bulk formation standing decision box risk evidence charter",
            "coop: election ballot",
            "deal: allocation negotiation ranking lots offer domain",
            "coop: mandate term",
            "deal: fulfilment award",
            "coop: coop room",
            "deal: specification life term counter request talk revision final tender choice repair contract deal",
            "deal: inclusion",
            "record: retention",
            "trust: amends walks forecast reputation sight words ratings live",
            "trust: accountability view assessment consent disclosure aggregate",
            "trust: succession carryover sealed voice mediation case relationship health",
            "deal: holding proof bundle",
            ".: engine",
        )
    )
    for name in names.split()
)
PURE = set(
    "__future__ base64 bisect collections copy dataclasses enum fractions functools hashlib heapq hmac ipaddress"
    " itertools math numpy operator protocol re scipy string struct types typing unicodedata msgpack"
    " nacl.bindings nacl.encoding nacl.exceptions".split()
)
IMPURE_NAMES = {"open", "print", "input", "exec", "eval", "hash", "id", "__import__", "breakpoint"}
SYSTEM_ENTROPY = {"randombytes", "crypto_sign_keypair", "crypto_box_keypair", "crypto_box_seal"}
HEAVY = {"numpy", "scipy"}  # imported where needed: a member's daemon never loads them
LIBP2P = {"libp2p", "multiaddr", "trio"}
LIBP2P_FILES = {f"node/mesh/{name}.py" for name in ("process", "connection", "hardening", "muxer", "websocket")}
STRANGERS = ("store", "mesh", "api")
TOP = {"node", "protocol", "spec", "scripts", "tests", "pyproject.toml", "README.md", "LICENSE", "CHANGELOG.md"}
# In parts, so that this file does not hold what it forbids.
PRIVATE = re.compile(r"(?<![\w.])/(?:w" r"ork|ro" r"ot|fa" r"rm)/|https?://\S*(?:/simple\b|registry\.|pyp" r"i\.org)")
CITATION = re.compile(r"\b(?!UTF|SHA|ISO|RFC|BIP|CVE|AES)[A-Z]{3}-\d+\b")
CLAUSE = re.compile(r"^\*\*([A-Z]{3}-\d+)\*\* (.*?)(?=^\*\*[A-Z]{3}-\d+\*\*|^#|\Z)", re.MULTILINE | re.DOTALL)

Rule = Callable[[str, str], Iterator[str]]
Functions = ast.FunctionDef | ast.AsyncFunctionDef


def tracked() -> dict[str, str]:
    """Name and text of every file that is, or is about to be, in the repository."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines()
    paths = {name: ROOT / name for name in sorted(names)}
    return {name: path.read_text(encoding="utf-8", errors="replace") for name, path in paths.items() if path.is_file()}


def expect_none(complaints: Iterable[str]) -> None:
    """Fails with all of them, one a line."""
    if found := list(complaints):
        pytest.fail("\n".join(found), pytrace=False)


FILES = tracked()
SOURCES = {name: text for name, text in FILES.items() if name.endswith(".py")}


def imports(tree: ast.AST) -> Iterator[tuple[str, int]]:
    """What is imported, `from a import b` as "a.b", with its line."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from ((f"{node.module}.{alias.name}", node.lineno) for alias in node.names)


def within(name: str, packages: set[str]) -> bool:
    """Is the dotted name one of the packages, or inside one?"""
    return any(name == package or name.startswith(f"{package}.") for package in packages)


def place(path: str) -> str:
    """Where a file of protocol/ stands in ORDER: by its own name, or by that of the folder that stands there as one."""
    parts = path.removesuffix(".py").split("/")
    return parts[0] if parts[0] in ORDER else "/".join(parts[:2])


def import_order(name: str, text: str) -> Iterator[str]:
    """protocol/: a file, or a folder as one, imports only files above it in the list."""
    folder, _, rest = name.partition("/")
    if folder != "protocol" or rest.endswith("__init__.py"):
        return
    own = place(rest)
    if own not in ORDER:
        yield f"{name}: is not in the import order of this test"
        return
    whole = [own] if name.count("/") > own.count("/") + 1 else []
    for imported, line in imports(ast.parse(text)):
        package, _, path = imported.partition(".")
        other = place(path.replace(".", "/"))
        if package == "protocol" and other not in (*ORDER[: ORDER.index(own)], *whole):
            yield f"{name}:{line}: imports {other}, which is not above it"


def purity(name: str, text: str) -> Iterator[str]:
    """protocol/: no clock, contact with the world, hidden randomness, or order of a set."""
    if not name.startswith("protocol/"):
        return
    tree = ast.parse(text)
    for imported, line in imports(tree):
        if not within(imported, PURE) and imported not in ("random", "random.Random"):
            yield f"{name}:{line}: imports {imported}"
    for node in ast.walk(tree):
        match node:
            case ast.AsyncFunctionDef() | ast.Await() | ast.AsyncFor() | ast.AsyncWith():
                yield f"{name}:{node.lineno}: is asynchronous"
            case ast.Call(func=ast.Name(id=called)) if called in IMPURE_NAMES:
                yield f"{name}:{node.lineno}: calls {called}()"
            case ast.Attribute(value=ast.Name(id="random"), attr=used) if used != "Random":
                yield f"{name}:{node.lineno}: uses random.{used}, which everybody shares"
            case ast.Attribute(attr=used) | ast.Name(id=used) if used in SYSTEM_ENTROPY:
                yield f"{name}:{node.lineno}: draws its own entropy by {used}"
            case ast.For(iter=over) | ast.comprehension(iter=over) if unordered(over):
                yield f"{name}:{over.lineno}: iterates a set"


def unordered(node: ast.expr) -> bool:
    """Is the expression plainly a set?"""
    match node:
        case ast.Set() | ast.SetComp() | ast.Call(func=ast.Name(id="set" | "frozenset")):
            return True
        case ast.BinOp(left=left, op=ast.BitAnd() | ast.BitOr() | ast.Sub(), right=right):
            return unordered(left) or unordered(right)
    return False


def heavy_imports(name: str, text: str) -> Iterator[str]:
    """NumPy and SciPy are imported inside the functions that need them."""
    if name.startswith(("protocol/", "node/")):
        tree = ast.parse(text)
        inside = {found for node in ast.walk(tree) if isinstance(node, Functions) for found in imports(node)}
        for imported, line in imports(tree):
            if within(imported, HEAVY) and (imported, line) not in inside:
                yield f"{name}:{line}: imports {imported} outside a function"


def boundaries(name: str, text: str) -> Iterator[str]:
    """node/: store, mesh and api are strangers; trio and libp2p stay behind the mesh process."""
    own = next((stranger for stranger in STRANGERS if re.match(rf"node/{stranger}\b", name)), None)
    others = {f"node.{stranger}" for stranger in STRANGERS if own and stranger != own}
    for imported, line in imports(ast.parse(text)):
        if within(imported, others):
            yield f"{name}:{line}: {own} imports {imported}"
        if name.startswith(("node/", "protocol/")) and within(imported, LIBP2P) and name not in LIBP2P_FILES:
            yield f"{name}:{line}: imports {imported}"


def sizes(name: str, text: str) -> Iterator[str]:
    """Functions <= 60 lines, files <= 400 (tests 800), lines <= 120."""
    lines = text.splitlines()
    if len(lines) > (800 if name.startswith("tests/") else 400):
        yield f"{name}: {len(lines)} lines"
    yield from (f"{name}:{number}: {len(line)} columns" for number, line in enumerate(lines, 1) if len(line) > 120)
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, Functions) and (node.end_lineno or 0) - node.lineno >= 60:
            yield f"{name}:{node.lineno}: {node.name} has {(node.end_lineno or 0) - node.lineno + 1} lines"


def sleeps(name: str, text: str) -> Iterator[str]:
    """tests/: nothing waits for time to pass; sleep(0) only lets others run."""
    if not name.startswith("tests/"):
        return
    for node in ast.walk(ast.parse(text)):
        match node:
            case ast.Call(func=ast.Name(id="sleep") | ast.Attribute(attr="sleep"), args=[ast.Constant(value=0)]):
                pass
            case ast.Call(func=ast.Name(id="sleep") | ast.Attribute(attr="sleep")):
                yield f"{name}:{node.lineno}: sleeps"


RULES: tuple[Rule, ...] = (import_order, purity, heavy_imports, boundaries, sizes, sleeps)
BROKEN: dict[str, list[tuple[str, str]]] = {
    "import_order": [
        ("protocol/record/record.py", "from protocol import engine"),
        ("protocol/network/sync.py", "import protocol.state.views"),
        ("protocol/state/views.py", "from protocol.engine.clock import tick"),
        ("protocol/utils.py", ""),
    ],
    "purity": [
        ("protocol/record/record.py", source)
        for source in (
            "import time",
            "from datetime import datetime",
            "from random import shuffle",
            "import random\nrandom.shuffle(x)",
            "import os.path",
            "from nacl.utils import random",
            "import node.store",
            "async def f(): pass",
            "def f(): print(1)",
            "def f(): return sodium.randombytes(3)",
            "for x in {1, 2}: pass",
            "y = [x for x in set(z)]",
            "y = [x for x in a & set(z)]",
        )
    ],
    "heavy_imports": [
        ("protocol/coop/formation.py", "import numpy as np"),
        ("node/daemon.py", "from scipy import stats"),
    ],
    "boundaries": [
        ("node/api/routes.py", "from node.store import Store"),
        ("node/store.py", "from node import mesh"),
        ("node/mesh/client.py", "import trio"),
        ("node/daemon.py", "def f():\n    import libp2p.host"),
    ],
    "sizes": [
        ("node/a.py", "#\n" * 401),
        ("tests/a.py", "#\n" * 801),
        ("node/a.py", "#" * 121),
        ("node/a.py", "def f():\n" + "    1\n" * 60),
    ],
    "sleeps": [("tests/a.py", "time.sleep(1)"), ("tests/a.py", "from time import sleep\nsleep(n)")],
}


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: str(rule.__name__))
def test_no_file_breaks_the_rule(rule: Rule) -> None:
    expect_none(complaint for name, text in SOURCES.items() for complaint in rule(name, text))


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: str(rule.__name__))
def test_the_rule_can_be_broken(rule: Rule) -> None:
    for name, text in BROKEN[rule.__name__]:
        assert list(rule(name, text)), text


def test_what_the_rules_allow() -> None:
    allowed = """
import random
import nacl.bindings
from protocol.record.record import Record
def f(rng: random.Random):
    import numpy
    for x in sorted({1, 2}): pass
"""
    assert [complaint for rule in RULES for complaint in rule("protocol/coop/formation.py", allowed)] == []
    assert list(import_order("protocol/engine/views.py", "from protocol.engine.core import Core")) == []
    assert list(sleeps("tests/a.py", "await asyncio.sleep(0)")) == []
    assert list(boundaries("node/mesh/process.py", "import trio\nfrom node.mesh import wire")) == []


def test_no_private_paths_and_no_registries() -> None:
    assert PRIVATE.search("see /wo" "rk/x") is not None
    assert PRIVATE.search("--index-url https://pyp" "i.org/simple") is not None
    assert PRIVATE.search("https://www.apache.org/licenses/ and node/work/x") is None
    assert [name for name, text in FILES.items() if PRIVATE.search(text)] == []


def test_top_level_is_the_agreed_one() -> None:
    top = {name.partition("/")[0] for name in FILES}
    assert {name for name in top if not name.startswith(".")} <= TOP


def test_the_distribution_has_every_package() -> None:
    packages = tomllib.loads(FILES["pyproject.toml"])["tool"]["setuptools"]["packages"]
    found = {str(Path(name).parent).replace("/", ".") for name in SOURCES if name.startswith(("node/", "protocol/"))}
    assert set(packages) == found


def test_every_import_is_a_declared_dependency() -> None:
    project = tomllib.loads(FILES["pyproject.toml"])["project"]
    extras = project["optional-dependencies"]
    runtime = {re.split(r"[\[=<>;]", line)[0] for line in [*project["dependencies"], *extras["relay"]]}
    testing = runtime | {re.split(r"[\[=<>;]", line)[0] for line in extras["test"]}
    known = {*sys.stdlib_module_names, "protocol", "node", "tests", "scripts"}
    distributions = packages_distributions()
    ours = {name: text for name, text in SOURCES.items() if not name.startswith("scripts/peers/")}  # yardsticks
    for name, text in ours.items():
        declared = runtime if name.startswith(("protocol/", "node/")) else testing
        for package in sorted({imported.partition(".")[0] for imported, _ in imports(ast.parse(text))} - known):
            found = {dist.lower().replace("_", "-") for dist in distributions.get(package, [package])}
            assert found & declared, f"{name}: {package}"


def clauses(files: dict[str, str]) -> dict[str, str]:
    """Number and text of each clause of spec/."""
    specs = [text for name, text in files.items() if re.match(r"spec/\d\d-[\w-]+\.md$", name)]
    found = [match for text in specs for match in CLAUSE.findall(text)]
    assert len(found) == len(dict(found)), "a clause number is used twice"
    return dict(found)


def uncovered(files: dict[str, str]) -> list[str]:
    """Clauses that demand something and have no case."""
    cases = [text for name, text in files.items() if name.startswith(("tests/", "spec/vectors/"))]
    cited = {citation for text in cases for citation in CITATION.findall(text)}
    return [number for number, text in clauses(files).items() if "MUST" in text and number not in cited]


def unknown(files: dict[str, str]) -> list[str]:
    """Citations of clauses that nobody wrote."""
    written = clauses(files)
    places = ("protocol/", "node/", "tests/", "spec/vectors/")
    cited = {name: set(CITATION.findall(text)) for name, text in files.items() if name.startswith(places)}
    return [f"{name}: {citation}" for name, found in cited.items() for citation in sorted(found - set(written))]


OTHERS = {name: text for name, text in FILES.items() if name != "tests/test_tidy.py"}


def test_every_must_has_a_case() -> None:
    spec = {"spec/07-election.md": "**ELE-4** A receiver MUST x.\nmore\n**ELE-5** It may.\n# Next\n**ELE-6** One MUST."}
    assert uncovered({**spec, "tests/a.py": "'ELE-6'"}) == ["ELE-4"]
    expect_none(uncovered(OTHERS))


def test_every_citation_has_its_clause() -> None:
    spec = {"spec/07-election.md": "**ELE-4** A receiver MUST x."}
    assert unknown({**spec, "node/a.py": "# ELE-4, ELE-40 (UTF-8)"}) == ["node/a.py: ELE-40"]
    expect_none(unknown(OTHERS))


def test_committed_vectors_are_what_the_code_generates() -> None:
    check = subprocess.run([sys.executable, ROOT / "scripts" / "vectors.py", "--check"], capture_output=True, text=True)
    assert check.returncode == 0, check.stdout + check.stderr

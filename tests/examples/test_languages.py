"""The examples in other languages: started as their README says, asked by many visitors at once."""

from __future__ import annotations

import concurrent.futures
import functools
import http.client
import os
import re
import shutil
import signal
import socket
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from openreplay_cw_stack.tagging import Verdict, judge
from openreplay_cw_stack.tagging.propagation import HEADER_NAME
from openreplay_cw_stack.tagging.propagation.session import Session
from tests.examples.test_servers import free_port
from tests.tagging.propagation.visitors import ANNA, BERT

pytestmark = [pytest.mark.languages, pytest.mark.slow]

EXAMPLES = Path(__file__).parents[2] / "examples"
CONNECTIONS, ROUNDS = 8, 9
# Starting Go the first time means compiling its standard library.
START_SECONDS = 240


@dataclass(frozen=True)
class Shop:
    """An example: its folder, how it is told to log, what must be installed, and its lines."""

    folder: str
    commands: tuple[str, ...]
    files: tuple[str, ...] = ()
    logging: str | None = None
    lines_per_order: int | None = None


LOGBACK = "/usr/share/java/logback-classic.jar"
ENCODER = "/usr/share/java/logstash-logback-encoder.jar"
MONOLOG = "/usr/share/php/Monolog/autoload.php"
SHOPS = {
    "Java, Logback, JSON": Shop("java", ("javac", "java"), (LOGBACK, ENCODER), "json", 3),
    "Java, Logback, pattern": Shop("java", ("javac", "java"), (LOGBACK, ENCODER), "text"),
    "Go, log/slog": Shop("go", ("go",), lines_per_order=3),
    "PHP, Monolog": Shop("php", ("php",), (MONOLOG,), lines_per_order=3),
    "Ruby, Logger": Shop("ruby", ("ruby",)),
    "Ruby, tagged logging": Shop("ruby", ("ruby",), logging="tagged"),
}


@dataclass(frozen=True)
class Order:
    """A visitor's order, and whose the lines about it must be."""

    name: str
    headers: tuple[str, ...] = ()
    session: Session | None = None
    quoted: str = ""

    @property
    def body(self) -> bytes:
        lines = (f"{self.quoted} a lamp for {self.name}", f"{self.quoted} a chair for {self.name}")
        # The last bytes are not UTF-8.
        return "\n".join(lines).encode() + b" \xff\xe4"


def quoting(session: Session) -> str:
    """What a visitor may write into an order to have its lines taken for another's."""
    return f'{session.tag} {{"openReplaySessionToken": "{session.token}"}} $1 \\1 \r{session.tag}'


ANNAS, BERTS = str(ANNA.token), str(BERT.token)
VISITORS = (
    Order("anna", (ANNAS,), ANNA, quoting(BERT)),
    Order("bert", (BERTS,), BERT, quoting(ANNA)),
    Order("nobody"),
)
HEADERS = (
    Order("twice", (ANNAS, ANNAS), ANNA),
    Order("joined", (f"{BERTS}, {BERTS}",), BERT),
    Order("two-visitors", (ANNAS, BERTS)),
    Order("two-joined", (f"{ANNAS},{BERTS}",)),
    Order("empty", ("",)),
    Order("long", (ANNAS + "x" * 600,)),
    Order("long-list", (",".join([ANNAS] * 12),)),
    Order("brackets", (f"{ANNAS}] [openReplaySessionToken={BERTS}",)),
    Order("field", (f'{ANNAS}", "openReplaySessionToken": "{BERTS}',)),
    Order("not-base-58", (ANNAS[:-1] + "0",)),
    Order("short-signature", (".".join((*ANNAS.split(".")[:3], "2" * 31)),)),
    Order("three-parts", (ANNAS.split(".", 1)[1],)),
    Order("not-ascii", (f"{ANNAS}\xe4",)),
    Order("an-id", (str(ANNA.session_id),)),
)


def go_path() -> str | None:
    """The folder of a Go with ``log/slog``: Debian installs versions beside each other."""
    found = [shutil.which("go"), *map(str, sorted(Path("/usr/lib").glob("go-*/bin/go")))]
    for path in filter(None, found):
        told = subprocess.run([path, "env", "GOVERSION"], capture_output=True, text=True)
        version = re.match(r"go1\.(\d+)", told.stdout)
        if version and int(version[1]) >= 21:
            return str(Path(path).parent)
    return None


def paths() -> str:
    return os.pathsep.join(filter(None, (go_path(), os.environ["PATH"])))


def missing(shop: Shop) -> list[str]:
    found = [name for name in shop.commands if name != "go" and shutil.which(name) is None]
    if "go" in shop.commands and go_path() is None:
        found.append("go 1.21 or later")
    return [*found, *(path for path in shop.files if not Path(path).exists())]


def start_command(folder: str) -> str:
    """The commands that the README of an example gives for starting it."""
    text = (EXAMPLES / folder / "README.md").read_text()
    (block,) = re.findall(r"## Start\n\n```sh\n(.*?)```", text, re.DOTALL)
    return str(block)


@contextmanager
def serving(shop: Shop, folder: Path) -> Iterator[tuple[int, Path]]:
    """Start a shop from a copy of its folder; yields its port, and the file with its output."""
    shutil.copytree(EXAMPLES / shop.folder, folder / "shop")
    port, output = free_port(), folder / "output"
    environment = {**os.environ, "PATH": paths(), "PORT": str(port), "GOTOOLCHAIN": "local"}
    if shop.logging:
        environment["LOGGING"] = shop.logging
    with output.open("ab") as file:
        process = subprocess.Popen(
            ["sh", "-ec", start_command(shop.folder)],
            cwd=folder / "shop",
            env=environment,
            stdout=file,
            stderr=subprocess.STDOUT,
            # A group of its own, to end what the commands have started.
            start_new_session=True,
        )
        try:
            wait_for(port, process, output)
            yield port, output
        finally:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait(10)


def wait_for(port: int, process: subprocess.Popen[bytes], output: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        with socket.socket() as asking:
            if asking.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise AssertionError(f"the shop does not answer: {output.read_text()}")


def send(port: int, orders: list[Order]) -> list[int]:
    """Send orders one after the other over one connection, where the server keeps it."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    statuses = []
    for order in orders:
        connection.putrequest("POST", "/orders")
        for value in order.headers:
            connection.putheader(HEADER_NAME, value)
        connection.putheader("Content-Type", "text/plain")
        connection.putheader("Content-Length", str(len(order.body)))
        connection.endheaders(order.body)
        answer = connection.getresponse()
        answer.read()
        statuses.append(answer.status)
    connection.close()
    return statuses


@pytest.mark.parametrize("name", SHOPS)
def test_each_line_is_its_visitors(name: str, tmp_path: Path) -> None:
    shop = SHOPS[name]
    if lacking := missing(shop):
        reason = f"not on this machine: {', '.join(lacking)} (see examples/{shop.folder}/README.md)"
        if os.environ.get("REQUIRE_LANGUAGES"):
            pytest.fail(reason)
        pytest.skip(reason)
    # Every visitor follows on every other, and on nobody, in each of the server's threads.
    turns = [[*VISITORS[n % 3 :], *VISITORS[: n % 3]] * ROUNDS for n in range(CONNECTIONS)]
    batches = [*turns, list(HEADERS)]
    with serving(shop, tmp_path) as (port, output):
        started = output.stat().st_size
        with concurrent.futures.ThreadPoolExecutor(len(batches)) as pool:
            statuses = list(pool.map(functools.partial(send, port), batches))
        written = output.read_bytes()[started:].decode(errors="replace")
    orders = [order for batch in batches for order in batch]
    assert {status for batch in statuses for status in batch} == {500}, written[-2000:]
    check(written, orders, shop)


def check(written: str, orders: list[Order], shop: Shop) -> None:
    lines = [line for line in written.split("\n") if line.strip()]
    if shop.lines_per_order:
        # PHP's server writes lines of its own between the JSON lines.
        assert not any(ANNAS in line or BERTS in line for line in lines if line[0] != "{")
        lines = [line for line in lines if line[0] == "{"]
    judgements = [judge(line) for line in lines]
    assert {one.verdict for one in judgements} == {Verdict.LINKABLE, Verdict.UNTAGGED}
    session_of = {one.name: one.session and one.session.session_id for one in orders}
    named = 0
    for line, judgement in zip(lines, judgements, strict=True):
        for name in re.findall(r"a (?:lamp|chair) for ([a-z0-9-]+)", line):
            named += 1
            assert judgement.session_id == session_of[name], line
    # The order is received, then the error quotes it: twice two lines at least.
    assert named >= 4 * len(orders)
    per_order = shop.lines_per_order or len(lines) // len(orders)
    assert per_order >= 3
    assert Counter(one.session_id for one in judgements) == {
        session_id: per_order * count
        for session_id, count in Counter(session_of[one.name] for one in orders).items()
    }


@pytest.mark.skipif(shutil.which("ruby") is None, reason="no ruby on this machine")
def test_in_ruby_the_session_ends_where_the_request_fails() -> None:
    """The next request would set another, but the server logs in the same thread."""
    program = (
        f"begin; SessionToken.use('{ANNAS}') {{ raise 'no' }}; rescue; p SessionToken.tag; end"
    )
    told = subprocess.run(
        ["ruby", "-r", EXAMPLES / "ruby" / "session_token.rb", "-e", program],
        capture_output=True,
        text=True,
        check=True,
    )
    assert told.stdout == "nil\n"

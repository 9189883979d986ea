"""Every example of the manual runs, and prints what the manual shows."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from openreplay_cw_stack import commands
from openreplay_cw_stack.contract.linked_line import LinkedLine
from openreplay_cw_stack.runtime.bridge.hits import make_hits
from openreplay_cw_stack.tagging import judge
from openreplay_cw_stack.tagging.propagation.session import HeaderReader
from tests.docs.pages import DOCS, MANUAL, README, ROOT, Block, blocks, section
from tests.tagging.propagation.visitors import ANNA, headers_of
from tests.tagging.test_conformance import LINES

BLOCKS = [block for page in MANUAL for block in blocks(page)]
EXAMPLES = [block for block in BLOCKS if block.language == "python"]


def run(command: list[str], folder: Path, program: str | None = None) -> str:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "CDK_OUTDIR": str(folder / "out")}
    ran = subprocess.run(
        command,
        cwd=folder,
        env=environment,
        input=program,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


@pytest.mark.slow
@pytest.mark.parametrize("example", EXAMPLES, ids=lambda block: block.name)
def test_python(example: Block, tmp_path: Path) -> None:
    # The folder of a user's function, which one of them names.
    (tmp_path / "functions" / "checkout").mkdir(parents=True)
    run([sys.executable, "-c", example.text], tmp_path)


def test_there_are_examples() -> None:
    pages = {block.page for block in EXAMPLES}
    assert {README, DOCS / "construct.md", DOCS / "tagging-python.md"} <= pages


def node_example() -> str:
    (program,) = [
        block.text
        for block in blocks(DOCS / "tagging.md")
        if block.language == "javascript" and "createServer" in block.text
    ]
    return program


def token_expression() -> re.Pattern[str]:
    (found,) = re.findall(
        r"^ *(\^\[0-9A-Za-z\].*\$)$", (DOCS / "tagging.md").read_text(), re.MULTILINE
    )
    assert f"/{found}/" in node_example()
    return re.compile(found)


def test_the_expression_takes_what_the_middleware_takes() -> None:
    expression = token_expression()
    accepted = HeaderReader()
    values = {value for line in LINES for value in re.findall(r"[\w.-]{20,}", line["message"])}
    assert len(values) > 50
    for value in (*values, *headers_of(ANNA).values()):
        if accepted.read(lambda _, value=value: [value]) is not None:  # type: ignore[misc]
            assert expression.fullmatch(value), value
    for forged in ("", "null", "a\nb", f"{ANNA.token}\nERROR", f"{ANNA.token} x"):
        assert not expression.search(forged) or "\n" not in forged


@pytest.mark.skipif(shutil.which("node") is None, reason="Node.js is not installed")
def test_node(tmp_path: Path) -> None:
    ((name, token),) = headers_of(ANNA).items()
    asking = f"""
    server.listen(0, async () => {{
      const url = `http://127.0.0.1:${{server.address().port}}/`;
      for (const value of [{json.dumps(token)}, "", "{token}x y", "null"]) {{
        await fetch(url, {{ headers: {{ {json.dumps(name)}: value }} }});
      }}
      server.close();
    }});
    """
    printed = run(["node", "-"], tmp_path, node_example() + asking).splitlines()
    assert [judge(line).session_id for line in printed] == [ANNA.session_id, None, None, None]
    assert {str(judge(line).verdict) for line in printed[1:]} == {"untagged"}


def test_what_a_command_prints() -> None:
    shown = [
        found
        for page in MANUAL
        for found in re.findall(r"```\n\$ (echo .*? judge)\n(.*?)```", page.read_text(), re.DOTALL)
    ]
    assert shown
    for command, output in shown:
        command = command.replace("openreplay-cw", f"{sys.executable} -m openreplay_cw_stack")
        printed = subprocess.run(
            command, shell=True, cwd=ROOT, capture_output=True, text=True, check=False
        ).stdout
        assert printed == output


def commands_shown() -> list[str]:
    """Every command line of ``openreplay-cw`` in a code block, without its prompt and pipe."""
    lines = [line for block in BLOCKS for line in block.text.replace("\\\n", " ").splitlines()]
    found = [re.fullmatch(r"(?:\$ )?(?:\.venv/bin/)?openreplay-cw (.*)", one) for one in lines]
    return [one[1].replace("SESSION_ID", str(ANNA.session_id)) for one in found if one]


@pytest.mark.parametrize("line", dict.fromkeys(commands_shown()))
def test_commands_have_these_arguments(line: str) -> None:
    assert commands._parser().parse_args(shlex.split(line)).command in commands.COMMANDS


def test_the_line_before_and_after() -> None:
    page = DOCS / "architecture.md"
    text = section(page, "The path of a log line")
    before = re.search(r"^ *(\[openReplaySessionToken=.*)$", text, re.MULTILINE)
    after = re.search(r"^ *(\{\"message\".*)$", text, re.MULTILINE)
    assert before is not None
    assert after is not None
    judgement = judge(before[1])
    assert judgement.session_id is not None
    message = before[1].split("] ")[1]
    line = LinkedLine(
        judgement.session_id, 1_795_464_000_000, "1", "1", "/app/checkout", "web", "error", message
    )
    (hit,) = make_hits([line], size=10, with_log_group=True, all_read=True)
    assert json.loads(after[1]) == hit["_source"]


def test_tagged_lines_get_the_verdict_that_their_page_says() -> None:
    (forms,) = [
        re.findall(
            r"^\| .* \| (`.*`) \| .* \|$", section(DOCS / "tagging.md", "Three forms"), re.MULTILINE
        )
    ]
    token = headers_of(ANNA).popitem()[1]
    examples = [one for row in forms for one in re.findall(r"`([^`]+)`", row)]
    assert len(examples) == 5
    for example in examples:
        line = example.replace("<token>", token).replace("<decimal id>", str(ANNA.session_id))
        if line.startswith('"'):
            line = f"{{{line}}}"
        assert judge(line).session_id == ANNA.session_id, example


def test_the_access_line_of_werkzeug_has_no_tag(tmp_path: Path) -> None:
    """As docs/tagging-python.md says; the application's own line of the same request has one."""
    program = f"""
import logging, sys, threading, urllib.request
from flask import Flask
from werkzeug.serving import make_server
from openreplay_cw_stack.tagging import propagation

propagation.install()
logging.basicConfig(level=logging.INFO, stream=sys.stdout)
app = Flask("shop")
app.wsgi_app = propagation.WSGIMiddleware(app.wsgi_app)
app.add_url_rule("/", view_func=lambda: logging.error("card declined") or "")
server = make_server("127.0.0.1", 0, app)
threading.Thread(target=server.serve_forever).start()
url = f"http://127.0.0.1:{{server.port}}/"
urllib.request.urlopen(urllib.request.Request(url, headers={headers_of(ANNA)!r})).read()
server.shutdown()
"""
    printed = run([sys.executable, "-c", program], tmp_path).splitlines()
    (own,) = [line for line in printed if "card declined" in line]
    (access,) = [line for line in printed if "GET / HTTP" in line]
    assert judge(own).session_id == ANNA.session_id
    assert str(judge(access).verdict) == "untagged"

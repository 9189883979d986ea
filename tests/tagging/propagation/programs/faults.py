"""The faults of the page's monkey patch, one program each; and what is wrong with what they print.

``python faults.py snippet|ours`` runs every program in a process of its own and prints, as JSON,
what is wrong by the program's name: null where nothing is. Runs on every Python without packages.
"""

import asyncio
import contextlib
import errno
import faulthandler
import importlib
import io
import json
import logging
import os
import subprocess
import sys
import tempfile
import threading
import traceback
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[4]))

ANNA = "vacw97eg4wna.1v7.mwtr4d94.pUeE4zAftLaQYR3dJ6fvdKguey33QorwnQc5xrAqwwc"
BERT = "4eeb3uua1hc.-5.mwtr4d94.EiawcFYc5hAsS3KdrTnXJXsKK9d5tn2YGZq9dKLvguc8"
TAGS = {
    name: f"[openReplaySessionToken={token}]" for name, token in (("anna", ANNA), ("bert", BERT))
}


class Snippet:
    """The page's code, and how its users set the variable at a request with a token."""

    def __init__(self):
        self.module = importlib.import_module("snippet")

    def load_again(self):
        importlib.reload(self.module)

    @contextlib.contextmanager
    def request(self, token):
        if token:
            self.module.OPENREPLAY_SESSION_TOKEN = token
        yield


class Ours:
    """The drop-in, and the way of this package for what is a request."""

    def __init__(self):
        name = "openreplay_cw_stack.tagging.propagation"
        self.propagation = importlib.import_module(name)
        self.module = importlib.import_module(f"{name}.drop_in")

    def load_again(self):
        importlib.reload(self.module)
        importlib.reload(self.propagation)

    def request(self, token):
        return self.propagation.use_session_token(token)


def write(text):
    print(text, file=sys.stderr)


# Each program gets the kind of tagging; its docstring is the fault. The line it writes names whose
# it is.


def threads(patch):
    """One token for all threads."""
    both = threading.Barrier(2)

    def serve(name, token):
        with patch.request(token):
            both.wait()
            write(f"error of {name}")

    serving = [
        threading.Thread(target=serve, args=pair) for pair in (("anna", ANNA), ("bert", BERT))
    ]
    for thread in serving:
        thread.start()
    for thread in serving:
        thread.join()


def tasks(patch):
    """One token for all asyncio tasks."""

    async def serve(name, token):
        with patch.request(token):
            await asyncio.sleep(0)
            write(f"error of {name}")

    async def both():
        await asyncio.gather(serve("anna", ANNA), serve("bert", BERT))

    asyncio.run(both())


def warm_lambda(patch):
    """The next request of the same process, without a token, gets the one before."""
    for name, token in (("anna", ANNA), ("nobody", None), ("bert", BERT), ("nobody", None)):
        with patch.request(token):
            write(f"error of {name}")


class Picky(Exception):
    def __init__(self, code, *, reason):
        super().__init__(code, reason)


def print_uncommon_exceptions(patch):
    """An exception that is not made of one text cannot be printed."""
    patch.module.OPENREPLAY_SESSION_TOKEN = ANNA
    for make in (
        lambda: b"\xff".decode("utf-8"),
        lambda: json.loads("{"),
        lambda: subprocess.run([sys.executable, "-c", "raise SystemExit(3)"], check=True),
        lambda: exec("raise Picky(7, reason='error of anna')", globals()),
    ):
        try:
            make()
        except Exception:
            kind, value, trace = sys.exc_info()
            traceback.print_exception(kind, value, trace)
            write(f"error of anna {kind.__name__}")


def log_uncommon_exceptions(patch):
    """``logging.exception`` loses the record then."""
    logging.basicConfig(stream=sys.stderr)
    logging.raiseExceptions = False
    patch.module.OPENREPLAY_SESSION_TOKEN = ANNA
    try:
        b"\xff".decode("utf-8")
    except UnicodeDecodeError:
        logging.exception("error of anna")


def cause_notes_and_number(patch):
    """Cause, notes and errno of an exception are dropped."""
    patch.module.OPENREPLAY_SESSION_TOKEN = ANNA
    try:
        try:
            raise KeyError("the cause, error of anna")
        except KeyError as cause:
            raise OSError(errno.ENOENT, "error of anna") from cause
    except OSError as exc:
        if hasattr(exc, "add_note"):
            exc.add_note("a note, error of anna")
        traceback.print_exception(*sys.exc_info())


def one_argument(patch):
    """``print_exception(exc)`` and keywords fail."""
    patch.module.OPENREPLAY_SESSION_TOKEN = ANNA
    try:
        raise ValueError("error of anna")
    except ValueError as exc:
        traceback.print_exception(exc)
        traceback.print_exception(exc, limit=1, file=sys.stderr)


def print_exc(patch):
    """``traceback.print_exc()`` raises on 3.12 and later, and tags twice before."""
    patch.module.OPENREPLAY_SESSION_TOKEN = ANNA
    try:
        raise ValueError("error of anna")
    except ValueError:
        traceback.print_exc()


def format_exc(patch):
    """``traceback.format_exc()`` is not tagged."""
    file = open(2, "w", closefd=False)
    patch.module.OPENREPLAY_SESSION_TOKEN = ANNA
    try:
        raise ValueError("error of anna")
    except ValueError:
        file.write(traceback.format_exc())
    file.flush()


def fragments(patch):
    """Every argument of ``print`` gets a tag."""
    patch.module.OPENREPLAY_SESSION_TOKEN = ANNA
    print("error", "of", "anna", file=sys.stderr)


def several_lines(patch):
    """Only the first line of several is tagged."""
    patch.module.OPENREPLAY_SESSION_TOKEN = ANNA
    write("error of anna\nand more of anna\nand the last of anna")


def stderr_is_stderr(patch):
    """What is written to stderr goes to stdout."""
    print("the result")
    patch.module.OPENREPLAY_SESSION_TOKEN = ANNA
    write("error of anna")


def a_whole_stream(patch):
    """``fileno``, ``isatty`` and ``buffer`` are gone."""
    patch.module.OPENREPLAY_SESSION_TOKEN = ANNA
    assert sys.stderr.isatty() is False
    assert sys.stderr.encoding
    sys.stderr.buffer.flush()
    faulthandler.enable()
    script = "import sys; print('[child] error of nobody', file=sys.stderr)"
    subprocess.run([sys.executable, "-c", script], stderr=sys.stderr, check=True)
    write("error of anna")


def flush(patch):
    """A flush writes nothing: the last words before a hard exit are lost."""
    patch.module.OPENREPLAY_SESSION_TOKEN = ANNA
    print("last words of anna", end="", file=sys.stderr, flush=True)
    os._exit(0)


def earlier_handlers(patch_later):
    """Handlers that were made before keep writing untagged."""
    logging.basicConfig(stream=sys.stderr, format="%(levelname)s %(message)s")
    patch = patch_later()
    patch.module.OPENREPLAY_SESSION_TOKEN = ANNA
    logging.error("error of anna\nin two lines of anna")


def forgery(patch):
    """A line feed in the header writes another visitor's tag."""
    header = f"{ANNA}]\n[openReplaySessionToken={BERT}"
    with patch.request(header):
        write("error of nobody")


def loaded_twice(patch):
    """Loaded again, it calls itself without end, or tags twice."""
    patch.load_again()
    patch.module.OPENREPLAY_SESSION_TOKEN = ANNA
    write("error of anna")
    try:
        raise ValueError("error of anna")
    except ValueError:
        text = io.StringIO()
        traceback.print_exception(*sys.exc_info(), None, text)
        print(text.getvalue().splitlines()[-1], file=sys.__stderr__)
    patch.module.OPENREPLAY_SESSION_TOKEN = None
    write("error of nobody")


PROGRAMS = [
    threads, tasks, warm_lambda, print_uncommon_exceptions, log_uncommon_exceptions,
    cause_notes_and_number, one_argument, print_exc, format_exc, fragments, several_lines,
    stderr_is_stderr, a_whole_stream, flush, earlier_handlers, forgery, loaded_twice,
]  # fmt: skip
MUST_CONTAIN = {
    "print_uncommon_exceptions": ["UnicodeDecodeError", "JSONDecodeError", "status 3", "reason"],
    "log_uncommon_exceptions": ["ERROR:root:error of anna", "UnicodeDecodeError: 'utf-8'"],
    "cause_notes_and_number": ["KeyError", "[Errno 2] error of anna", "direct cause"],
    "format_exc": ["Traceback", "ValueError: error of anna"],
    "one_argument": ["Traceback", "ValueError: error of anna"],
    "print_exc": ["Traceback", "ValueError: error of anna"],
    "flush": ["last words of anna"],
    "fragments": ["error of anna\n"],
    "a_whole_stream": ["[child] error of nobody\n"],
}


def wrong_with(name, status, out, err):
    """What is wrong with what a program wrote, or None."""
    if status != 0:
        return f"it failed: {err.strip().splitlines()[-1:] or out.strip().splitlines()[-1:]}"
    if name == "stderr_is_stderr":
        if out != "the result\n":
            return f"on stdout: {out!r}"
        out = ""
    # The other programs are to show other faults than that one.
    written = out + err
    for text in MUST_CONTAIN.get(name, []):
        if text not in written:
            return f"{text!r} is missing"
    if not written:
        return "nothing was written"
    return next(filter(None, (wrong_with_line(name, line) for line in written.splitlines())), None)


def wrong_with_line(name, line):
    if line.strip():
        whose = next((one for one in TAGS if f"of {one}" in line), None)
        if whose is None and "of nobody" not in line and name not in ("threads", "tasks"):
            whose = "anna"
        tags = [one for one, tag in TAGS.items() for _ in range(line.count(tag))]
        if tags != ([whose] if whose else []):
            return f"tags {tags} on a line of {whose}: {line!r}"
        if tags and not line.startswith(TAGS[tags[0]]):
            return f"the tag is not in front: {line!r}"
    return None


def run(program, kind):
    """A program in a process of its own; what is wrong with it."""
    files = [tempfile.TemporaryFile(), tempfile.TemporaryFile()]
    child = os.fork()
    if child == 0:
        os.dup2(files[0].fileno(), 1)
        os.dup2(files[1].fileno(), 2)
        status = 0
        try:
            program(kind if program is earlier_handlers else kind())
        except BaseException:
            sys.__stderr__.write(repr(sys.exc_info()[1]) + "\n")
            status = 1
        sys.stdout.flush()
        sys.__stderr__.flush()
        os._exit(status)
    _, waited = os.waitpid(child, 0)
    texts = []
    for file in files:
        file.seek(0)
        texts.append(file.read().decode())
    return wrong_with(program.__name__, waited, *texts)


if __name__ == "__main__":
    chosen = {"snippet": Snippet, "ours": Ours}[sys.argv[1]]
    print(json.dumps({program.__name__: run(program, chosen) for program in PROGRAMS}))

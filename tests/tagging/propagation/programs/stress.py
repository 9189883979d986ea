"""Thousands of errors of many visitors at once. ``python stress.py KIND FOLDER SCALE``

Every line says in its own words whose it is. What was written is counted, and printed as JSON at
the end; what arrived is in stderr and in the files ``plain.log`` and ``json.log`` of the folder.
Runs on every Python without packages.
"""

import asyncio
import collections
import concurrent.futures
import gc
import json
import logging
import logging.handlers
import multiprocessing
import queue
import sys
import threading
import traceback
import warnings
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[4]))

from openreplay_cw_stack.tagging import compose_token, propagation

TOKENS = {
    f"visitor-{number}": compose_token(
        session_id=2516582400000315960 + number, expires_ms=2**50, token_secret=b"stress"
    )
    for number in range(20)
}
# Requests without a token, and with a header that is none.
TOKENS.update({"nobody": None, "nobody ": "nonsense]\n[openReplaySession.id=7"})
HEADER = "X-OpenReplay-SessionToken"

written = collections.Counter()
lock = threading.Lock()
log = logging.getLogger("stress")


def note(who, *kinds):
    with lock:
        written.update(f"{kind} of {who.strip()}" for kind in kinds)


def visitor(number):
    return list(TOKENS)[number % len(TOKENS)]


def fail(who, kind):
    raise UnicodeDecodeError("utf-8", b"\xff", 0, 1, f"kind={kind} of {who};")


def report(who):
    """One error of each kind, as an application writes them."""
    who = who.strip()
    log.error("kind=log of %s;\nkind=more of %s;", who, who)
    in_pieces(f"kind=print of {who};")
    sys.stderr.write(f"kind=write of {who};\nkind=write of {who};\n")
    warnings.warn(f"kind=warn of {who};", stacklevel=1)
    try:
        fail(who, "exc")
    except UnicodeDecodeError:
        log.exception("kind=logexc of %s;", who)
        traceback.print_exc()
        sys.stderr.write(traceback.format_exc())
    note(who, "log", "more", "print", "write", "write", "warn", "logexc", "exc", "exc", "exc")


def in_pieces(line):
    pieces = line.split()
    print(*pieces[:-1], end=" " if pieces[1:] else "", file=sys.stderr)
    sys.stderr.write(f"{pieces[-1]}\n")


def handlers(folder):
    """Through a queue to a file, as JSON to another, and kept for a while."""
    plain = logging.FileHandler(folder / "plain.log", delay=True)
    records = queue.Queue()
    structured = logging.FileHandler(folder / "json.log", delay=True)
    structured.setFormatter(JsonFormatter())
    kept = logging.handlers.MemoryHandler(50, target=plain)
    log.propagate = False
    log.handlers = [logging.StreamHandler(), structured, kept]
    log.handlers.append(logging.handlers.QueueHandler(records))
    listener = logging.handlers.QueueListener(records, plain)
    listener.start()
    return listener, kept


class JsonFormatter(logging.Formatter):
    def format(self, record):
        document = {"level": record.levelname, "message": record.getMessage()}
        if record.exc_info:
            document["exception"] = self.formatException(record.exc_info)
        return json.dumps(document)


# --- asyncio


async def application(scope, receive, send):
    who = scope["who"]
    await asyncio.sleep(0)
    report(who)
    if not who.startswith("nobody"):
        for piece in ("kind=piece ", "of ", f"{who};\n"):
            print(piece, end="", file=sys.stderr)
            await asyncio.sleep(0)
        note(who, "piece")
    asyncio.get_running_loop().create_task(forgotten(who))
    await asyncio.to_thread(report, who)
    loop = asyncio.get_running_loop()
    await loop.run_in_executor(None, propagation.carry(report), who)
    await loop.run_in_executor(None, report, "nobody")


async def forgotten(who):
    await asyncio.sleep(0)
    # In the task's own description, and in its traceback.
    note(who, "forgotten", "forgotten")
    fail(who.strip(), "forgotten")


def tasks(scale):
    asyncio.run(many_tasks(scale))


async def many_tasks(scale):
    logging.getLogger("asyncio").addHandler(logging.StreamHandler())
    logging.getLogger("asyncio").propagate = False
    app = propagation.ASGIMiddleware(application)

    async def serve(number):
        who = visitor(number)
        for _ in range(scale):
            token = TOKENS[who]
            headers = [(HEADER.lower().encode(), token.encode())] if token else []
            await app({"type": "http", "headers": headers, "who": who}, None, None)

    await asyncio.gather(*map(serve, range(200)))
    for _ in range(10):
        await asyncio.sleep(0)
        gc.collect()


# --- threads


def threads(scale):
    app = propagation.WSGIMiddleware(wsgi)
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        serving = [threading.Thread(target=serve, args=(app, pool, n, scale)) for n in range(64)]
        for thread in serving:
            thread.start()
        for thread in serving:
            thread.join()


def wsgi(environ, start_response):
    who, pool = environ["who"], environ["pool"]
    report(who)
    pool.submit(propagation.carry(report), who).result()
    pool.submit(report, "nobody").result()
    thread = threading.Thread(target=propagation.carry(fail), args=(who.strip(), "uncaught"))
    thread.start()
    thread.join()
    note(who, "uncaught")
    return stream(who)


def stream(who):
    for _ in range(2):
        report(who)
        yield b""
    if not who.startswith("nobody"):
        print("kind=open of", end=" ", file=sys.stderr)
        sys.stderr.write(f"{who};")
        note(who, "open")


def serve(app, pool, number, scale):
    who = visitor(number)
    environ = {"who": who, "pool": pool}
    if TOKENS[who]:
        environ["HTTP_X_OPENREPLAY_SESSIONTOKEN"] = TOKENS[who]
    for _ in range(scale):
        answer = app(environ, None)
        for _ in answer:
            if number % 7 == 0:
                gc.collect(0)


# --- a pool of forked processes, made in the midst of a request


def pool(scale):
    before = written.copy()
    with propagation.use_session_token(TOKENS["visitor-0"]):
        forking = multiprocessing.get_context("fork")
        workers = concurrent.futures.ProcessPoolExecutor(4, mp_context=forking)
        workers.submit(int).result()
    jobs = []
    for number in range(150 * scale):
        who = visitor(number)
        with propagation.use_session_token(TOKENS[who]):
            jobs.append(workers.submit(propagation.carry(work), who))
            jobs.append(workers.submit(work, "nobody"))
    for job in jobs:
        written.update(job.result())
    workers.shutdown()
    assert not before


def work(who):
    written.clear()
    report(who)
    return dict(written)


# --- warm Lambda functions


def warm(scale):
    @propagation.tag_lambda_handler
    def handler(event, context):
        report(event["who"])
        if event.get("fail"):
            fail(event["who"].strip(), "handler")

    for number in range(300 * scale):
        who = visitor(number * 7)
        event = {"who": who, "headers": {HEADER.lower(): TOKENS[who]}, "fail": number % 3 == 0}
        try:
            handler(event, None)
        except UnicodeDecodeError:
            # Outside of the handler, as the Lambda runtime reports it.
            frames = traceback.extract_tb(sys.exc_info()[2])
            sys.stderr.write("".join(traceback.format_list(frames)))
            traceback.print_exc()
            note(who, "handler")
        report("nobody")


if __name__ == "__main__":
    kind, folder, scale = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])
    warnings.simplefilter("always")
    propagation.install()
    listener = None
    if kind == "pool":
        log.propagate, log.handlers = False, [logging.StreamHandler()]
    else:
        listener, kept = handlers(folder)
    {"tasks": tasks, "threads": threads, "pool": pool, "warm": warm}[kind](scale)
    if listener:
        with propagation.use_session_token(TOKENS["visitor-1"]):
            kept.flush()
        listener.stop()
    counts = propagation.propagation_counts()
    print(json.dumps({"written": written, "counts": counts, "tokens": TOKENS}))

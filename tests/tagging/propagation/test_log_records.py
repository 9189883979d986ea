from __future__ import annotations

import copy
import io
import json
import logging
import logging.handlers
import pickle
import pprint
import queue
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from openreplay_cw_stack.tagging import propagation
from openreplay_cw_stack.tagging.propagation import counts, log_records, use_session
from openreplay_cw_stack.tagging.propagation.context import run_in
from openreplay_cw_stack.tagging.propagation.session import Session
from tests.tagging.propagation.visitors import ANNA, BERT, a_record, check_lines


def fail() -> None:
    raise UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid start byte")


class JsonFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        fields = {"level": record.levelname, "message": record.getMessage()}
        if record.exc_info:
            fields["exception"] = self.formatException(record.exc_info)
        return json.dumps(fields)


class EveryField(logging.Formatter):
    """Writes every attribute of a record, as Powertools and others do."""

    def format(self, record: logging.LogRecord) -> str:
        return json.dumps(vars(record), default=str)


def test_of_the_visitor_at_work_and_of_nobody_else(
    installed: io.StringIO, log: logging.Logger
) -> None:
    log.error("before")
    with use_session(ANNA):
        log.error("of anna %s", "é")
        with use_session(BERT):
            log.error("of bert")
    log.error("after")
    assert installed.getvalue() == (f"before\n{ANNA.tag} of anna é\n{BERT.tag} of bert\nafter\n")


def test_every_line_of_an_exception(installed: io.StringIO, log: logging.Logger) -> None:
    with use_session(ANNA):
        try:
            fail()
        except UnicodeDecodeError:
            log.exception("two\nlines", stack_info=True)
    lines = check_lines(installed.getvalue(), ANNA)
    assert lines[:3] == ["two", "lines", "Traceback (most recent call last):"]
    assert "UnicodeDecodeError: 'utf-8' codec can't decode byte 0xff in position 0" in "".join(
        lines
    )
    assert "Stack (most recent call last):" in lines


def test_an_exception_that_is_logged_when_its_request_has_ended(
    installed: io.StringIO, log: logging.Logger
) -> None:
    try:
        run_in(ANNA, fail)
    except UnicodeDecodeError:
        log.exception("Exception in ASGI application")
    assert len(check_lines(installed.getvalue(), ANNA)) > 3


def test_a_handler_that_is_made_later(installed: io.StringIO, log: logging.Logger) -> None:
    log.handlers = [logging.StreamHandler()]
    with use_session(ANNA):
        log.error("error")
    assert installed.getvalue() == f"{ANNA.tag} error\n"


def test_a_file(installed: io.StringIO, log: logging.Logger, tmp_path: Any) -> None:
    log.handlers = [logging.FileHandler(tmp_path / "log")]
    with use_session(ANNA):
        log.error("error")
    log.handlers[0].close()
    assert (tmp_path / "log").read_text() == f"{ANNA.tag} error\n"
    assert installed.getvalue() == ""


def test_json(installed: io.StringIO, log: logging.Logger) -> None:
    log.handlers[0].setFormatter(JsonFormatter())
    with use_session(ANNA):
        try:
            fail()
        except UnicodeDecodeError:
            log.exception('a "quoted" message')
    (line,) = installed.getvalue().splitlines()
    check_lines(line, ANNA)
    document = json.loads(line)
    assert document["message"] == 'a "quoted" message'
    assert document["openReplaySessionToken"] == ANNA.token
    assert document["exception"].startswith("Traceback")


def test_no_field_but_the_tag_is_added(stderr: io.StringIO, log: logging.Logger) -> None:
    log.handlers[0].setFormatter(EveryField())
    log.error("error")
    propagation.install()
    with use_session(ANNA):
        log.error("error")
    propagation.uninstall()
    before, after = map(json.loads, stderr.getvalue().splitlines())
    assert set(after) == {"openReplaySessionToken", *before}
    assert after["msg"] == "error"


class TestElsewhere:
    """Records that are formatted when somebody else's work is at hand, or in another thread."""

    def test_a_handler_that_keeps_records(
        self, installed: io.StringIO, log: logging.Logger
    ) -> None:
        # Its target writes to the stream that tags for whoever is at work.
        log.handlers = [
            logging.handlers.MemoryHandler(99, flushLevel=99, target=logging.StreamHandler())
        ]
        log.error("of nobody\nin two lines")
        with use_session(ANNA):
            log.error("of anna\nin two lines")
        with use_session(BERT):
            log.error("of bert\nin two lines")
            log.handlers[0].flush()
        lines = installed.getvalue().splitlines(keepends=True)
        check_lines("".join(lines[:2]), None)
        check_lines("".join(lines[2:4]), ANNA)
        check_lines("".join(lines[4:]), BERT)
        assert len(lines) == 6

    @pytest.mark.parametrize("formatter", [None, JsonFormatter()], ids=["text", "json"])
    def test_a_queue(
        self, installed: io.StringIO, log: logging.Logger, formatter: logging.Formatter | None
    ) -> None:
        (target,) = log.handlers
        target.setFormatter(formatter)
        records: queue.Queue[Any] = queue.Queue()
        log.handlers = [logging.handlers.QueueHandler(records)]
        listener = logging.handlers.QueueListener(records, target)
        with use_session(ANNA):
            listener.start()
            try:
                fail()
            except UnicodeDecodeError:
                log.exception("of anna")
        with use_session(BERT):
            log.error("of bert")
        log.error("of nobody")
        listener.stop()
        *anna, bert, nobody = installed.getvalue().splitlines()
        check_lines("\n".join(anna), ANNA)
        check_lines(bert, BERT)
        check_lines(nobody, None)

    def test_a_queue_that_takes_records_as_they_are(
        self, installed: io.StringIO, log: logging.Logger
    ) -> None:
        class AsTheyAre(logging.handlers.QueueHandler):
            def prepare(self, record: logging.LogRecord) -> Any:
                return copy.copy(record)

        (target,) = log.handlers
        records: queue.Queue[Any] = queue.Queue()
        log.handlers = [AsTheyAre(records)]
        with use_session(ANNA):
            log.error("of anna")
        with use_session(BERT):
            target.handle(records.get())
        check_lines(installed.getvalue(), ANNA)

    def test_records_for_another_process(self, installed: io.StringIO, log: logging.Logger) -> None:
        records: queue.Queue[Any] = queue.Queue()
        log.handlers = [logging.handlers.QueueHandler(records)]
        with use_session(ANNA):
            log.error("of %s", "anna")
        pickled = pickle.dumps(records.get())
        assert b"openreplay_cw_stack" not in pickled
        record = pickle.loads(pickled)
        assert type(record) is logging.LogRecord
        with use_session(BERT):
            text = logging.Formatter().format(record)
        assert text == f"{ANNA.tag} of anna"

    def test_a_record_of_another_visitor_can_be_sent_to_another_process(
        self, installed: io.StringIO
    ) -> None:
        """`SettledText.__reduce__`."""
        records: queue.Queue[Any] = queue.Queue()
        with use_session(BERT):
            logging.handlers.QueueHandler(records).handle(a_record(ANNA, "of anna"))
        pickled = pickle.dumps(records.get())
        assert b"openreplay_cw_stack" not in pickled
        assert pickle.loads(pickled).getMessage() == f"{ANNA.tag} of anna"


@pytest.fixture
def factory() -> Iterator[None]:
    before = logging.getLogRecordFactory()
    yield
    logging.setLogRecordFactory(before)


class OwnRecord(logging.LogRecord):
    pass


def own_function(*args: Any, **kwargs: Any) -> logging.LogRecord:
    return logging.LogRecord(*args, **kwargs)


@pytest.mark.parametrize("own", [OwnRecord, own_function])
@pytest.mark.parametrize("when", ["before", "after"])
def test_an_own_record_factory(
    stderr: io.StringIO, log: logging.Logger, factory: None, own: Any, when: str
) -> None:
    if when == "before":
        logging.setLogRecordFactory(own)
    propagation.install()
    if when == "after":
        logging.setLogRecordFactory(own)
    log.handlers = [
        logging.handlers.MemoryHandler(99, flushLevel=99, target=logging.StreamHandler())
    ]
    with use_session(ANNA):
        log.error("of anna")
    log.error("of nobody")
    with use_session(BERT):
        log.handlers[0].flush()
    propagation.uninstall()
    anna, nobody = stderr.getvalue().splitlines()
    check_lines(anna, ANNA)
    check_lines(nobody, None)


@pytest.mark.parametrize("exc_info", [True, (None, None, None), (1, 2), (None, "text", None), ""])
def test_a_record_with_odd_exception_information(
    installed: io.StringIO, log: logging.Logger, exc_info: Any
) -> None:
    with use_session(ANNA):
        record = log.makeRecord("x", 40, "shop.py", 7, "error", (), exc_info)
    record.exc_info = None
    log.handle(record)
    assert installed.getvalue() == f"{ANNA.tag} error\n"


@pytest.mark.parametrize("path", [None, 7, "shop.py"])
def test_a_record_of_another_layout(
    installed: io.StringIO, log: logging.Logger, factory: None, path: Any
) -> None:
    class Slotted:
        __slots__ = ("__dict__",)

        def getMessage(self) -> str:  # noqa: N802
            return "error"

    def make(*args: Any, **kwargs: Any) -> Any:
        slotted = Slotted()
        vars(slotted).update(vars(logging.LogRecord(*args, **kwargs)), pathname=path)
        return slotted

    logging.setLogRecordFactory(make)
    with use_session(ANNA):
        log.error("error")
    tag = f"{ANNA.tag} " if isinstance(path, str) else ""
    assert installed.getvalue() == f"{tag}error\n"


def test_a_record_that_cannot_be_changed_is_written(
    installed: io.StringIO, log: logging.Logger
) -> None:
    class Firm(logging.LogRecord):
        def __setattr__(self, name: str, value: object) -> None:
            if name == "pathname" and name in vars(self):
                raise AttributeError(name)
            super().__setattr__(name, value)

    logging.setLogRecordFactory(Firm)
    with use_session(ANNA):
        log.error("error")
    assert installed.getvalue() == "error\n"
    assert counts.counts()["untagged_texts"] == 1
    with counts._lock:
        counts._counts["untagged_texts"] = 0


class TestOrigin:
    """Records stay as they are, and copies of them know whose they are."""

    def a_record(self, log: logging.Logger) -> logging.LogRecord:
        kept: list[logging.LogRecord] = []

        class Keeping(logging.Handler):
            def emit(self, record: logging.LogRecord) -> None:
                kept.append(record)

        log.handlers = [Keeping()]
        with use_session(ANNA):
            log.error("of %s", "anna", extra={"order": {"id": 7}})
        return kept[0]

    @pytest.mark.parametrize(
        "copied",
        [
            copy.copy,
            copy.deepcopy,
            lambda record: logging.makeLogRecord(record.__dict__),
            lambda record: logging.makeLogRecord(dict(vars(record))),
            lambda record: copy.deepcopy(copy.copy(record)),
        ],
    )
    def test_a_copy_is_of_the_same_visitor(
        self,
        installed: io.StringIO,
        log: logging.Logger,
        copied: Callable[[logging.LogRecord], logging.LogRecord],
    ) -> None:
        record = self.a_record(log)
        with use_session(BERT):
            text = logging.StreamHandler().format(copied(record))
        assert text == f"{ANNA.tag} of anna"

    def test_a_copy_of_every_field(self, installed: io.StringIO) -> None:
        """`_OriginPath.__copy__`."""
        fields = {name: copy.copy(one) for name, one in vars(a_record(ANNA, "of anna")).items()}
        text = logging.StreamHandler().format(logging.makeLogRecord(fields))
        assert text == f"{ANNA.tag} of anna"

    def test_a_path_of_another_copy_of_this_package(
        self, installed: io.StringIO, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """As after a reload."""
        record = a_record(ANNA, "of anna")
        monkeypatch.setattr(log_records, "_OriginPath", type("_OriginPath", (str,), {}))
        assert logging.StreamHandler().format(record) == f"{ANNA.tag} of anna"

    def test_one_from_a_pickle_is_nobodys(
        self, installed: io.StringIO, log: logging.Logger
    ) -> None:
        record = self.a_record(log)
        for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
            pickled = pickle.dumps(record, protocol)
            assert b"openreplay" not in pickled.lower()
            with use_session(BERT):
                text = logging.StreamHandler().format(pickle.loads(pickled))
            assert text == "of anna"

    def test_nothing_shows_the_session(self, installed: io.StringIO, log: logging.Logger) -> None:
        record = self.a_record(log)
        assert type(record) is logging.LogRecord
        assert set(vars(record)) == {
            *vars(logging.LogRecord("x", 40, "shop.py", 7, "error", (), None)),
            "order",
        }
        shown = [json.dumps(vars(record), default=str), repr(vars(record)), str(vars(record))]
        shown += [pprint.pformat(vars(record)), logging.Formatter("%(pathname)s").format(record)]
        for text in shown:
            assert str(ANNA.token) not in text
            assert "penreplay" not in text.replace("openreplay_cw_stack", "")
        assert record.pathname == __file__
        assert hash(record.pathname) == hash(__file__)

    def test_the_class_of_a_record_can_be_changed(
        self, installed: io.StringIO, log: logging.Logger
    ) -> None:
        """As coloredlogs does."""
        record = self.a_record(log)
        record.__class__ = OwnRecord
        assert logging.StreamHandler().format(record) == f"{ANNA.tag} of anna"

    def test_a_record_handed_over_by_somebody_is_nobodys(
        self, installed: io.StringIO, log: logging.Logger
    ) -> None:
        """Whose it is cannot be notified: it may be another visitor's, kept for a while."""
        log.handlers = [logging.StreamHandler()]
        with use_session(BERT):
            log.handle(logging.makeLogRecord({"msg": "kept", "levelno": 40}))
        assert installed.getvalue() == "kept\n"

    def test_a_logger_that_makes_records_by_itself(self, installed: io.StringIO) -> None:
        class Own(logging.Logger):
            def makeRecord(self, *args: Any, **kwargs: Any) -> logging.LogRecord:  # noqa: N802
                return OwnRecord(*args[:7])

        own = Own("own")
        own.addHandler(logging.StreamHandler())
        with use_session(ANNA):
            own.error("error")
        assert installed.getvalue() == f"{ANNA.tag} error\n"

    def test_factories_are_left_alone(self, installed: io.StringIO) -> None:
        assert logging.getLogRecordFactory() is logging.LogRecord


class TestRecordsThatAreSent:
    def test_a_socket(self, installed: io.StringIO, log: logging.Logger) -> None:
        sent: list[Any] = []

        class Sending(logging.handlers.SocketHandler):
            def send(self, s: Any) -> None:
                sent.append(pickle.loads(s[4:]))

        log.handlers = [Sending("127.0.0.1", 9)]
        with use_session(ANNA):
            log.error("of %s", "anna")
        log.error("of %s", "nobody")
        with use_session(BERT):
            texts = [logging.Formatter().format(logging.makeLogRecord(one)) for one in sent]
        assert texts == [f"{ANNA.tag} of anna", "of nobody"]
        assert "openreplay_cw_stack" not in repr(type(sent[0]["pathname"]))

    def test_http(self, installed: io.StringIO, log: logging.Logger) -> None:
        handler = logging.handlers.HTTPHandler("127.0.0.1:9", "/")
        kept: list[logging.LogRecord] = []
        log.handlers = [logging.handlers.MemoryHandler(99, flushLevel=99, target=None)]
        with use_session(ANNA):
            log.error("of %s", "anna")
        kept = log.handlers[0].buffer  # type: ignore[attr-defined]
        with use_session(BERT):
            fields = handler.mapLogRecord(kept[0])
        assert fields["msg"] == f"{ANNA.tag} of anna"
        assert not fields["args"]
        # The record itself is as it was.
        assert (kept[0].msg, kept[0].args) == ("of %s", ("anna",))


def test_a_factory_on_top_of_ours(
    installed: io.StringIO, log: logging.Logger, factory: None
) -> None:
    ours = logging.getLogRecordFactory()

    def with_a_field(*args: Any, **kwargs: Any) -> logging.LogRecord:
        record = ours(*args, **kwargs)
        record.request = "7"
        return record

    logging.setLogRecordFactory(with_a_field)
    log.handlers[0].setFormatter(logging.Formatter("%(request)s %(message)s"))
    with use_session(ANNA):
        log.error("error")
    assert installed.getvalue() == f"{ANNA.tag} 7 error\n"


def test_a_formatter_of_something_else_than_text(
    installed: io.StringIO, log: logging.Logger
) -> None:
    class Dictionaries(logging.Formatter):
        def format(self, record: logging.LogRecord) -> Any:
            return {"message": record.getMessage()}

    seen: list[Any] = []

    class Keeping(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            seen.append(self.format(record))

    log.handlers = [Keeping()]
    log.handlers[0].setFormatter(Dictionaries())
    with use_session(ANNA):
        log.error("error")
        record = log.makeRecord("x", 40, "shop.py", 7, "later", (), None)
    with use_session(BERT):
        log.handle(record)
    assert seen == [{"message": "error"}, {"message": "later"}]
    assert counts.counts()["untagged_texts"] == 2
    counts._counts["untagged_texts"] = 0


def test_a_bad_message_is_reported_as_before(installed: io.StringIO, log: logging.Logger) -> None:
    with use_session(ANNA):
        log.error("%d", "no number")
    text = "\n".join(check_lines(installed.getvalue(), ANNA))
    assert "--- Logging error ---" in text
    assert "TypeError: %d format" in text


def test_the_last_resort(installed: io.StringIO) -> None:
    logger = logging.getLogger("tests.without.handlers")
    logger.propagate = False
    with use_session(ANNA):
        logger.error("error")
    assert installed.getvalue() == f"{ANNA.tag} error\n"


def test_asyncios_reports_are_nobodys_but_the_exceptions(
    installed: io.StringIO, log: logging.Logger
) -> None:
    asyncios = logging.getLogger("asyncio")
    asyncios.handlers, asyncios.propagate = log.handlers, False
    try:
        with use_session(BERT):
            asyncios.error("never retrieved", exc_info=KeyError("of nobody"))
            asyncios.error("never retrieved", exc_info=_failed_for(ANNA))
    finally:
        asyncios.handlers, asyncios.propagate = [], True
    text = installed.getvalue()
    first, second = text[: text.rindex("never")], text[text.rindex(ANNA.tag + " never") :]
    check_lines(first.removesuffix(f"{ANNA.tag} "), None)
    check_lines(second, ANNA)


def _failed_for(session: Session) -> BaseException:
    with pytest.raises(UnicodeDecodeError) as raised:
        run_in(session, fail)
    return raised.value

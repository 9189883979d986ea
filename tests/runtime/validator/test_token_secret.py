from __future__ import annotations

from dataclasses import dataclass, field

from openreplay_cw_stack.runtime.validator.token_secret import SecretUnreadable, TokenSecret


@dataclass
class Source:
    """A secret and a clock, both set by hand."""

    value: bytes | None = b"first"
    now: float = 0.0
    reads: int = field(default=0)

    def __call__(self) -> tuple[bytes, ...]:
        self.reads += 1
        if self.value is None:
            raise SecretUnreadable("AccessDeniedException")
        return (self.value,)

    def clock(self) -> float:
        return self.now


def test_it_is_read_once_and_again_after_five_minutes() -> None:
    source = Source()
    secret = TokenSecret(source, source.clock)
    assert [secret.get(), secret.get()] == [(b"first",), (b"first",)]
    assert source.reads == 1
    source.value, source.now = b"second", 299.0
    assert secret.get() == (b"first",)
    source.now = 300.0
    assert secret.get() == (b"second",)


def test_one_that_cannot_be_read_is_tried_again_every_minute() -> None:
    source = Source(value=None)
    secret = TokenSecret(source, source.clock)
    assert secret.get() is None
    assert secret.failure == "AccessDeniedException"
    source.value, source.now = b"first", 59.0
    assert secret.get() is None
    source.now = 60.0
    assert secret.get() == (b"first",)
    assert secret.failure is None


def test_one_that_was_read_stays_in_use() -> None:
    source = Source()
    secret = TokenSecret(source, source.clock)
    secret.get()
    source.value, source.now = None, 301.0
    assert secret.get() == (b"first",)
    assert secret.failure == "AccessDeniedException"

"""Log lines as programs write them: tagged correctly, tagged incorrectly, and untagged."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime, timezone

from openreplay_cw_stack.tagging import compose_token, token_tag

TOKEN_SECRET = "the demo's own token secret"
LOG_GROUPS = ("/shop/checkout", "/shop/search", "/shop/billing")
CHECKOUT, SEARCH, BILLING = LOG_GROUPS


@dataclass(frozen=True)
class DemoLine:
    """One log event: its log group, the kind of program, and the message."""

    log_group: str
    program: str
    message: str


@dataclass(frozen=True)
class Visitor:
    """A visitor of the shop, with the tracker's session token."""

    session_id: int
    token: str

    @property
    def tag(self) -> str:
        """The session tag for this visitor's lines."""
        return token_tag(self.token)


def visitor(
    number: int, now_ms: int, *, delay_ms: int = 412, age_ms: int = 600_000, secret: str = ""
) -> Visitor:
    """Return a visitor whose session began ``age_ms`` ago. Tokens are valid for two hours."""
    start_ms = now_ms - age_ms
    session_id = (start_ms - 1_550_000_000_000 << 24) | number << 8
    token = compose_token(
        session_id=session_id,
        delay_ms=delay_ms,
        expires_ms=start_ms + 7_200_000,
        token_secret=(secret or TOKEN_SECRET).encode(),
    )
    return Visitor(session_id, token)


def demo_lines(now_ms: int) -> list[DemoLine]:
    """Return all lines, with tokens as of ``now_ms``."""
    ann, ben = visitor(1, now_ms), visitor(2, now_ms, delay_ms=-2_731)
    return [*_linkable(ann, ben, now_ms), *_not_linkable(ann, now_ms), *_others(now_ms)]


def times_in_lines(now_ms: int) -> dict[str, str]:
    """Return the time in UTC as each kind of program writes it, by the program's name."""
    now = datetime.fromtimestamp(now_ms // 1000, timezone.utc)
    milliseconds = f"{now_ms % 1000:03}"
    return {
        "Node on Lambda": f"{now:%Y-%m-%dT%H:%M:%S}.{milliseconds}Z",
        "Java": f"{now:%Y-%m-%d %H:%M:%S}.{milliseconds}",
        "Go": f"{now:%Y/%m/%d %H:%M:%S}",
    }


def _linkable(ann: Visitor, ben: Visitor, now_ms: int) -> list[DemoLine]:
    times = times_in_lines(now_ms)
    late = visitor(3, now_ms, age_ms=8_000_000)
    powertools = {
        "openReplaySessionToken": ann.token,
        "level": "ERROR",
        "location": "pay:42",
        "message": "card declined",
        "service": "checkout",
        "request": {"headers": {"X-OpenReplay-SessionToken": ann.token, "Accept": "*/*"}},
    }
    return [
        DemoLine(
            CHECKOUT,
            "Python",
            f"{ann.tag} ERROR shop.checkout: payment failed\n"
            "Traceback (most recent call last):\n"
            '  File "/app/shop/checkout.py", line 42, in pay\n'
            "    charge(order)\n"
            '  File "/app/shop/charge.py", line 17, in charge\n'
            '    raise CardDeclined("insufficient funds")\n'
            "shop.charge.CardDeclined: insufficient funds",
        ),
        DemoLine(
            SEARCH,
            "Node on Lambda",
            f"{times['Node on Lambda']}\t6f1c7a1e-0d7e-4a7e-9a57-1f0d4a0c2d11\tERROR\t"
            f"{ben.tag} TypeError: Cannot read properties of undefined (reading 'sku')\n"
            "    at rank (/var/task/search.js:88:31)\n"
            "    at async Runtime.handler (/var/task/index.js:14:20)",
        ),
        DemoLine(
            BILLING,
            "Java",
            f"{times['Java']} ERROR 1 --- [nio-8080-exec-3] c.a.b.InvoiceController : "
            f"{ann.tag} invoice refused\n"
            "java.lang.IllegalStateException: no tax rate for AX\n"
            "\tat com.acme.billing.Tax.rate(Tax.java:61)\n"
            "\tat com.acme.billing.InvoiceController.create(InvoiceController.java:33)\n"
            "Caused by: java.util.NoSuchElementException: AX\n"
            "\t... 6 more",
        ),
        DemoLine(
            BILLING,
            "Go",
            f"{times['Go']} {ben.tag} panic: runtime error: index out of range [3] with "
            "length 3\n\ngoroutine 41 [running]:\nmain.(*Ledger).Post(0xc0000b4000)\n"
            "\t/app/ledger.go:57 +0x1d4",
        ),
        DemoLine(CHECKOUT, "JSON (Powertools)", json.dumps(powertools)),
        DemoLine(
            SEARCH,
            "JSON (pino)",
            json.dumps({"level": 50, "openReplaySessionToken": ben.token, "msg": "timeout"}),
        ),
        DemoLine(SEARCH, "Python, warning", f"WARNING:search:{ben.tag} index is 40 s behind"),
        DemoLine(CHECKOUT, "Python, session over", f"{late.tag} ERROR receipt mail bounced"),
    ]


def _not_linkable(ann: Visitor, now_ms: int) -> list[DemoLine]:
    forged = visitor(1, now_ms, secret="a guess")
    return [
        DemoLine(
            SEARCH,
            "JSON, two sessions",
            json.dumps(
                {
                    "openReplaySessionToken": ann.token,
                    "openReplaySession.id": str(ann.session_id + 256),
                    "msg": "timeout",
                }
            ),
        ),
        DemoLine(
            SEARCH,
            "JSON, cut short",
            json.dumps({"openReplaySessionToken": ann.token, "msg": "timeout"})[:-1],
        ),
        DemoLine(CHECKOUT, "colon for =", f"[openReplaySessionToken: {ann.token}] ERROR timeout"),
        DemoLine(CHECKOUT, "lower case", f"[openreplaysessiontoken={ann.token}] ERROR timeout"),
        DemoLine(CHECKOUT, "no token came", "[openReplaySessionToken=] ERROR cart is locked"),
        DemoLine(
            BILLING, "data protection", f"[openReplaySessionToken={'*' * 69}] ERROR no tax rate"
        ),
        DemoLine(CHECKOUT, "str(None)", "[openReplaySessionToken=None] ERROR cart is locked"),
        DemoLine(BILLING, "cut short", f"[openReplaySessionToken={ann.token[:40]}] ERROR no rate"),
        DemoLine(SEARCH, "forged", f"{forged.tag} ERROR <b>look at me</b>"),
        DemoLine(
            SEARCH, "an id, unsigned", f"[openReplaySession.id={ann.session_id}] ERROR timeout"
        ),
        DemoLine(
            CHECKOUT, "speaks of the tag", "ERROR openReplaySessionToken missing from the request"
        ),
    ]


def _others(now_ms: int) -> list[DemoLine]:
    java_time = times_in_lines(now_ms)["Java"]
    request = "RequestId: 6f1c7a1e-0d7e-4a7e-9a57-1f0d4a0c2d11"
    return [
        DemoLine(SEARCH, "Lambda platform", f"START {request} Version: $LATEST"),
        DemoLine(SEARCH, "Lambda platform", f"END {request}"),
        DemoLine(
            SEARCH,
            "Lambda platform",
            f"REPORT {request}\tDuration: 12.31 ms\tBilled Duration: 13 ms\tMemory Size: 512 MB",
        ),
        DemoLine(CHECKOUT, "Python", "INFO:shop.checkout:GET /health 200"),
        DemoLine(BILLING, "Java", f"{java_time}  INFO 1 --- [main] c.a.b.App : ready"),
        DemoLine(CHECKOUT, "Python, untagged", "ERROR shop.checkout: session store unreachable"),
    ]

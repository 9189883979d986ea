"""The kinds of options that are addresses."""

from __future__ import annotations

import ipaddress
from typing import Any

from openreplay_cw_stack.infra.internal.option_kinds import Kind, WrongValue
from openreplay_cw_stack.tagging.replay_url import checked_replay_url


class ReplayUrl(Kind):
    """The template of replay links."""

    def check(self, value: Any) -> str:
        try:
            return checked_replay_url(value if isinstance(value, str) else "")
        except ValueError as error:
            raise WrongValue(str(error)) from None


class SourceRange(Kind):
    """Addresses in CIDR notation."""

    def check(self, value: Any) -> str:
        fix = "give an address range in CIDR notation, such as 203.0.113.0/24"
        if not isinstance(value, str):
            raise WrongValue(fix)
        try:
            return str(ipaddress.ip_network(value.strip()))
        except ValueError as error:
            why = " (it has host bits set)" if "host bits" in str(error) else ""
            raise WrongValue(f"{fix}{why}") from None

"""Texts that are computed during synthesis."""

from __future__ import annotations

from collections.abc import Callable

import aws_cdk as cdk
import jsii


@jsii.implements(cdk.IStableStringProducer)
class Later:
    """A text that is computed during synthesis, for ``cdk.Lazy.string``."""

    def __init__(self, make: Callable[[], str]) -> None:
        self._make = make

    def produce(self) -> str:
        """Return the text. The CDK calls this."""
        return self._make()

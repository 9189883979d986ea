"""Texts that are known when the app is synthesised."""

from __future__ import annotations

from collections.abc import Callable

import aws_cdk as cdk
import jsii


@jsii.implements(cdk.IStableStringProducer)
class Later:
    """A text that is made when the app is synthesised, for ``cdk.Lazy.string``."""

    def __init__(self, make: Callable[[], str]) -> None:
        self._make = make

    def produce(self) -> str:
        """The text; called by the CDK."""
        return self._make()

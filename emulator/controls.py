"""What a program can have the emulator do, over its own paths next to AWS's API."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from typing import Any


class EmulatorError(RuntimeError):
    """The emulator did not start, or refused a request."""


class Controls:
    """The controls of an emulator that runs at `endpoint_url`."""

    @property
    def endpoint_url(self) -> str:
        """Where the emulator answers."""
        raise NotImplementedError

    def evaluate_iam(self, enabled: bool) -> None:
        """Turn the verification of signatures and the evaluation of IAM policies on or off.

        Lambda functions run as their execution roles while it is on. The root credentials `test`
        stay root.
        """
        answer = self._control("POST", "iam-evaluation", {"enabled": enabled})
        if answer != {"enabled": enabled}:
            raise EmulatorError(f"Unexpected answer: {answer}")

    def delay_new_access_keys(self, seconds: float) -> None:
        """Refuse access keys that are younger than so many seconds; 0 ends it.

        They are refused like unknown ones, with UnrecognizedClientException or, by IAM, STS and
        other query services, InvalidClientTokenId, while the evaluation of IAM policies is on.
        """
        self._control("POST", "new-access-keys", {"seconds": seconds})

    def delete_expired_items(self, now: float | None = None) -> int:
        """Delete the items of DynamoDB that have expired, and return how many.

        Nothing else deletes them. AWS may take days, and answers with them until then.

        Args:
            now: The time in seconds at which they have; by default this moment.
        """
        return int(self._control("POST", "expired-items", {"now": now})["deleted"])

    def fire_rule(self, name: str) -> None:
        """Invoke the targets of an EventBridge rule now, as its schedule would.

        Functions are invoked asynchronously. Scheduled rules also fire by themselves, when they
        are due.

        Args:
            name: The rule's name, or a part of it that no other rule has, such as its logical id.

        Raises:
            EmulatorError: No such rule, more than one, or one that is disabled.
        """
        self._control("POST", "event-rules", {"fire": name})

    def inject_fault(self, service: str, action: str, **options: Any) -> int:
        """Have the next calls of an action fail, and return the fault's place in `faults_met`.

        A call meets the first fault that is meant for it. Each attempt of an SDK is a call: boto3
        repeats those that fail with a status of 500 or more.

        Args:
            service: The service, as boto3 or its signature names it: "secretsmanager".
            action: The API's action, or IAM's in REST APIs: "PutSecretValue", "InvokeFunction".
            options: The other attributes of `emulator.faults.Fault`.
        """
        description = {"service": service, "action": action, **options}
        return int(self._control("POST", "faults", description)["number"])

    def faults_met(self) -> list[int]:
        """Return how many calls have met each fault, in the order of their injection."""
        return list(self._control("GET", "faults")["met"])

    def clear_faults(self) -> None:
        """Forget every fault, and what was counted."""
        self._control("DELETE", "faults")

    def _control(self, method: str, path: str, content: Any = None) -> Any:
        """Ask one of the emulator's own paths and return the answer."""
        request = urllib.request.Request(
            f"{self.endpoint_url}/_emulator/{path}",
            data=None if content is None else json.dumps(content).encode(),
            headers={"Content-Type": "application/json"},
            method=method,
        )
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(request, timeout=30) as response:
                return json.load(response)
        except urllib.error.HTTPError as error:
            with error:
                raise EmulatorError(error.read().decode()) from None

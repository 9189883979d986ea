"""A client for the emulator's control paths."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from typing import Any


class EmulatorError(RuntimeError):
    """The emulator did not start, or rejected a request."""


class Controls:
    """Controls the emulator at `endpoint_url`."""

    @property
    def endpoint_url(self) -> str:
        """The URL of the emulator."""
        raise NotImplementedError

    def evaluate_iam(self, enabled: bool) -> None:
        """Turn signature verification and IAM policy evaluation on or off.

        While it is on, Lambda functions run with their execution roles. The credentials `test`
        always belong to the root user.
        """
        answer = self._control("POST", "iam-evaluation", {"enabled": enabled})
        if answer != {"enabled": enabled}:
            raise EmulatorError(f"Unexpected answer: {answer}")

    def delay_new_access_keys(self, seconds: float) -> None:
        """Reject access keys that are younger than this many seconds; 0 accepts all keys.

        This only has an effect while IAM policies are evaluated. The error is that of an unknown
        key: UnrecognizedClientException, or InvalidClientTokenId from IAM, STS and other query
        services.
        """
        self._control("POST", "new-access-keys", {"seconds": seconds})

    def delete_expired_items(self, now: float | None = None) -> int:
        """Delete the expired items of all DynamoDB tables, and return their number.

        The emulator deletes expired items only here. AWS may take days, and returns them until
        then.

        Args:
            now: The time of expiry to compare with, in seconds since 1970. Default: the current
                time.
        """
        return int(self._control("POST", "expired-items", {"now": now})["deleted"])

    def fire_rule(self, name: str) -> None:
        """Invoke the targets of an EventBridge rule now, as its schedule would.

        Functions are invoked asynchronously. Scheduled rules also fire on their schedule.

        Args:
            name: The rule's name, or a unique part of it, such as the logical id.

        Raises:
            EmulatorError: No rule has this name, several have it, or the rule is disabled.
        """
        self._control("POST", "event-rules", {"fire": name})

    def inject_fault(self, service: str, action: str, **options: Any) -> int:
        """Make the next calls of an action fail, and return the fault's index in `faults_met`.

        A call meets the first fault that matches it. Each attempt of an SDK is a call: boto3
        retries calls that fail with a status of 500 or more.

        Args:
            service: The service's name in boto3 or in the request's signature: "secretsmanager".
            action: The API action, or for REST APIs the IAM action: "PutSecretValue",
                "InvokeFunction".
            options: Other attributes of `emulator.faults.Fault`.
        """
        description = {"service": service, "action": action, **options}
        return int(self._control("POST", "faults", description)["number"])

    def faults_met(self) -> list[int]:
        """Return how many calls met each fault, in the order of injection."""
        return list(self._control("GET", "faults")["met"])

    def clear_faults(self) -> None:
        """Remove all faults and their counts."""
        self._control("DELETE", "faults")

    def _control(self, method: str, path: str, content: Any = None) -> Any:
        """Send a request to a control path and return the response."""
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

"""Handle deployments of a rotated service account.

With rotation, the first rotation creates the key, not CloudFormation, and IAM does not delete a
user that has keys. There are therefore two custom resources. CloudFormation creates the first one
before the rotation schedule and deletes it after the schedule; its deletion removes the keys, when
no rotation can create another. The second one waits for the first key.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from uuid import uuid4

from openreplay_cw_stack.runtime.aws_calls import CallFailed
from openreplay_cw_stack.runtime.custom_resource import DeploymentEvent, DeploymentFailed
from openreplay_cw_stack.runtime.rotation.access_key import AccessKey
from openreplay_cw_stack.runtime.rotation.secret import CURRENT, PENDING, PREVIOUS, Secret

FIRST_KEY_WITHIN_SECONDS = 240.0
_NUDGE_SECONDS = 30.0
_STEP_SECONDS = 5.0
_LOOKS = 12
DELETE_KEYS, WAIT_FOR_KEY = "delete_keys", "wait_for_key"
"""The values of a custom resource's property ``Task``."""


@dataclass(frozen=True)
class KeyDeployment:
    """Follows the deployments of one service account's keys.

    Attributes:
        secret: the secret that holds the key.
        access_key: creates and deletes the keys.
        stack_is_going: returns whether the stack with an id is being deleted.
        clock: returns the time in seconds since 1970.
        sleep: waits for a number of seconds.
    """

    secret: Secret
    access_key: AccessKey
    stack_is_going: Callable[[str], bool]
    clock: Callable[[], float]
    sleep: Callable[[float], None]

    def follow(self, event: DeploymentEvent) -> str:
        """Wait for the first key and update the log group in the secret, or delete the keys.

        Returns:
            The physical id of the custom resource.

        Raises:
            DeploymentFailed: there is no key, or the user has changed.
            CallFailed: AWS rejected a call, except during the wait for the key.
        """
        user_name = str(event.properties["UserName"])
        waits = event.properties["Task"] == WAIT_FOR_KEY
        if event.is_delete:
            if not waits:
                self._delete_keys(event.stack_id)
            return user_name
        # The physical id is the user's name. After this failure CloudFormation rolls the resource
        # back to the previous name.
        if event.physical_id and event.physical_id != user_name:
            raise DeploymentFailed(
                "user_name cannot change while its key is rotated: deploy without rotation first"
            )
        if waits:
            self._wait_for_key()
            self._note_details()
        return user_name

    def _wait_for_key(self) -> None:
        """Wait until the secret's current version holds a key of the user.

        CloudFormation then removes the resources that the deployment replaces, such as its own key.
        """
        give_up = self.clock() + FIRST_KEY_WITHIN_SECONDS
        nudge = self.clock() + _NUDGE_SECONDS
        refused = ""
        while True:
            try:
                if self._has_key():
                    return
                if self.clock() >= nudge:
                    nudge = self.clock() + _NUDGE_SECONDS
                    self.secret.rotate()
            except CallFailed as failed:
                # For example, a new policy may take effect with a delay.
                refused = f" AWS refused a call: {failed}."
            if self.clock() >= give_up:
                raise DeploymentFailed(
                    "the first rotation has created no key. If the user already has two keys, "
                    "delete one; see the rotation's log group for details." + refused
                )
            self.sleep(1.0)

    def _has_key(self) -> bool:
        document = self._current()
        there = [key.key_id for key in self.access_key.user.list_keys()]
        return self.access_key.is_key(document) and document["access_key_id"] in there

    def _note_details(self) -> None:
        """Store the current region and log group in the secret."""
        document = self._current()
        if all(document.get(name) == value for name, value in self.access_key.details.items()):
            return
        before = self.secret.state()
        self.secret.put(str(uuid4()), {**document, **self.access_key.details}, CURRENT)
        previous = before.version(PREVIOUS)
        if previous is not None:
            # A reader may still use its key, so that version stays the previous one.
            self.secret.move(PREVIOUS, to=previous, out_of=before.version(CURRENT))

    def _current(self) -> dict[str, str]:
        version = self.secret.state().version(CURRENT)
        value = self.secret.value(version) if version else None
        return dict(value.document) if value else {}

    def _delete_keys(self, stack_id: str) -> None:
        """Delete all keys if the user is deleted too, else only those in the secret.

        The user stays if rotation is switched off, and CloudFormation has already created a key for
        it. A step that is still running may create one more key, so this checks for keys again.
        """
        going = self.stack_is_going(stack_id)
        for _ in range(_LOOKS):
            self.sleep(_STEP_SECONDS)
            if not self._delete(None if going else self._keys_of_the_secret()):
                return

    def _delete(self, only: set[str] | None) -> int:
        """Delete the user's keys, or only the given ones, and return their number."""
        user = self.access_key.user
        keys = [key.key_id for key in user.list_keys() if only is None or key.key_id in only]
        for key_id in keys:
            user.delete_key(key_id)
        return len(keys)

    def _keys_of_the_secret(self) -> set[str]:
        state = self.secret.state()
        key_ids = set()
        for stage in (CURRENT, PREVIOUS, PENDING):
            version = state.version(stage)
            value = self.secret.value(version) if version else None
            if value and value.document.get("access_key_id"):
                key_ids.add(value.document["access_key_id"])
        return key_ids

"""What a deployment does to the keys of the service account.

With rotation CloudFormation has no key: the first one is made by a rotation, and IAM refuses to
delete a user that still has keys. Two custom resources follow: one is there before the schedule and
deletes the keys after it, when no rotation makes another; one waits for the first key.
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
"""What a custom resource is for, in its property ``Task``."""


@dataclass(frozen=True)
class KeyDeployment:
    """Follows the deployments of one service account's keys.

    Attributes:
        secret: the secret that holds the key.
        access_key: how its keys are handled.
        stack_is_going: whether the stack of an id is being deleted.
        clock: seconds since 1970.
        sleep: waits for so many seconds.
    """

    secret: Secret
    access_key: AccessKey
    stack_is_going: Callable[[str], bool]
    clock: Callable[[], float]
    sleep: Callable[[float], None]

    def follow(self, event: DeploymentEvent) -> str:
        """Do what the custom resource is for.

        Wait for the first key and note a changed log group; or delete the keys when it goes.

        Returns:
            The physical id of the custom resource.

        Raises:
            DeploymentFailed: there is no key, or the user is another one than before.
            CallFailed: AWS refused a call, other than while a key is waited for.
        """
        user_name = str(event.properties["UserName"])
        waits = event.properties["Task"] == WAIT_FOR_KEY
        if event.is_delete:
            if not waits:
                self._delete_keys(event.stack_id)
            return user_name
        # The id is the user whose keys these are. After this refusal the same properties come again
        # as the old ones, for CloudFormation updates the resource back.
        if event.physical_id and event.physical_id != user_name:
            raise DeploymentFailed(
                "user_name cannot change while its key is rotated: deploy without rotation first"
            )
        if waits:
            self._wait_for_key()
            self._note_details()
        return user_name

    def _wait_for_key(self) -> None:
        """Until the secret's current version has a key that the user has.

        So that what is removed afterwards, CloudFormation's own key for one, is needed no more.
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
                # A policy that was made a moment ago may not be known everywhere, for one.
                refused = f" AWS refused a call: {failed}."
            if self.clock() >= give_up:
                raise DeploymentFailed(
                    "the first rotation has made no key. The user may have two keys already, of "
                    "which one has to go; the rotation's log group says more." + refused
                )
            self.sleep(1.0)

    def _has_key(self) -> bool:
        document = self._current()
        there = [key.key_id for key in self.access_key.user.list_keys()]
        return self.access_key.is_key(document) and document["access_key_id"] in there

    def _note_details(self) -> None:
        """Have the secret name the region and the log group as they are now."""
        document = self._current()
        if all(document.get(name) == value for name, value in self.access_key.details.items()):
            return
        before = self.secret.state()
        self.secret.put(str(uuid4()), {**document, **self.access_key.details}, CURRENT)
        previous = before.version(PREVIOUS)
        if previous is not None:
            # Its key is another one, which a reader may still have: it stays the previous one.
            self.secret.move(PREVIOUS, to=previous, out_of=before.version(CURRENT))

    def _current(self) -> dict[str, str]:
        version = self.secret.state().version(CURRENT)
        value = self.secret.value(version) if version else None
        return dict(value.document) if value else {}

    def _delete_keys(self, stack_id: str) -> None:
        """All keys of a user that goes; of one that stays, those that a rotation has made.

        The user stays where rotation is switched off: it has a key of CloudFormation's by then.
        A step that still runs may bring one more key, so that they are looked for again.
        """
        going = self.stack_is_going(stack_id)
        for _ in range(_LOOKS):
            self.sleep(_STEP_SECONDS)
            if not self.access_key.delete_all(None if going else self._ours()):
                return

    def _ours(self) -> set[str]:
        state = self.secret.state()
        ours = set()
        for stage in (CURRENT, PREVIOUS, PENDING):
            version = state.version(stage)
            value = self.secret.value(version) if version else None
            if value and value.document.get("access_key_id"):
                ours.add(value.document["access_key_id"])
        return ours

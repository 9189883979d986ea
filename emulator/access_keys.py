"""Access keys of IAM users, in CloudFormation and in the API.

MiniStack 1.5.33 has no AWS::IAM::AccessKey, gives a user any number of keys, deletes a key whatever
user the caller names, and says of every key that it was never used. (It does refuse to delete a
user who still has keys, which the tests of this package hold.)

AWS:

- CloudFormation Template Reference, "AWS::IAM::AccessKey": Ref is the access key id, GetAtt has
  SecretAccessKey. A change of Serial or UserName is a replacement, which CloudFormation does by
  creating the new key first and deleting the old one in the clean-up; Status changes in place.
- IAM User Guide, "IAM and AWS STS quotas": two keys a user, inactive ones included. So a
  replacement needs a free slot. CreateAccessKey answers LimitExceeded, "Cannot exceed quota for
  AccessKeysPerUser: 2".
- API Reference, "DeleteUser": DeleteConflict while the user has access keys. "DeleteAccessKey":
  the key must be the user's. "GetAccessKeyLastUsed": when, for which service and in which region a
  key last signed a request. AWS reports that some time later, the emulator at once.
- IAM User Guide, "Troubleshoot IAM", "Changes that I make are not always immediately visible":
  IAM is eventually consistent, so a new key is refused like an unknown one for some seconds. Here
  it works at once, unless a delay is set and the evaluation of IAM policies is on.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterable
from datetime import datetime, timezone
from typing import Any
from xml.etree import ElementTree

from ministack.core import iam_evaluator
from ministack.services import iam
from ministack.services.cloudformation import provisioners

from emulator import patching

MAXIMUM_KEYS = 2

Response = tuple[int, dict[str, str], bytes]

_TYPE = "AWS::IAM::AccessKey"
_CREDENTIAL = re.compile(r"Credential=(AKIA[^/]+)/[^/]+/([^/]+)/([^/]+)/aws4_request")
_NAMESPACE = "{https://iam.amazonaws.com/doc/2010-05-08/}"

_created: dict[str, float] = {}
_delay = 0.0
_last_used: dict[str, tuple[datetime, str, str]] = {}


def install() -> None:
    """Replace MiniStack's handlers."""
    patching.require(iam, ["_IAM_HANDLERS", "_access_keys", "_error", "_p", "_users", "_xml"])
    patching.require(provisioners, ["_RESOURCE_HANDLERS", "_REPLACING_PROPERTIES"])
    patching.require(iam_evaluator, ["AuthError", "_unknown_access_key"])
    patching.wrap(iam_evaluator, "authenticate", _authenticate)
    for action, wrapper in (
        ("CreateAccessKey", _create_access_key),
        ("DeleteAccessKey", _delete_access_key),
        ("GetAccessKeyLastUsed", _get_access_key_last_used),
    ):
        patching.wrap_entry(iam._IAM_HANDLERS, "ministack.services.iam", action, wrapper)
    provisioners._RESOURCE_HANDLERS[_TYPE] = {
        "create": _create,
        "update": _update,
        "delete": _delete,
    }
    provisioners._REPLACING_PROPERTIES[_TYPE] = ("Serial", "UserName")


def control(method: str, content: bytes) -> tuple[int, Any]:
    """Answer POST {"seconds": number} by delaying new keys by so much, and GET with the delay."""
    global _delay
    if method == "POST":
        try:
            _delay = max(0.0, float(json.loads(content)["seconds"]))
        except (ValueError, KeyError, TypeError):
            return 400, {"seconds": _delay}
    return 200, {"seconds": _delay}


def record_use(headers: Iterable[tuple[bytes, bytes]]) -> None:
    """Remember the use of the access key that signed a request."""
    for name, value in headers:
        if name.lower() == b"authorization":
            credential = _CREDENTIAL.search(value.decode("latin-1"))
            if credential:
                key_id, region, service = credential.groups()
                _last_used[key_id] = (datetime.now(timezone.utc), region, service)


# --- API ---------------------------------------------------------------------------------------


def _create_access_key(original: Any, parameters: dict[str, Any]) -> Response:
    user_name = iam._p(parameters, "UserName")
    if len(_keys_of(user_name)) >= MAXIMUM_KEYS:
        return _error(
            409, "LimitExceeded", f"Cannot exceed quota for AccessKeysPerUser: {MAXIMUM_KEYS}"
        )
    response: Response = original(parameters)
    if response[0] < 400:
        _created[_text(ElementTree.fromstring(response[2]), "AccessKeyId")] = time.monotonic()
    return response


def _authenticate(original: Any, access_key_id: str, account_id: str) -> Any:
    """Refuse a key that is too new to be known."""
    created = _created.get(access_key_id)
    if created is not None and time.monotonic() - created < _delay:
        unknown = iam_evaluator._unknown_access_key()
        return iam_evaluator.AuthError(unknown.code, unknown.message)
    return original(access_key_id, account_id)


def _delete_access_key(original: Any, parameters: dict[str, Any]) -> Response:
    user_name, key_id = iam._p(parameters, "UserName"), iam._p(parameters, "AccessKeyId")
    if user_name and key_id not in _keys_of(user_name):
        return _error(404, "NoSuchEntity", f"The Access Key with id {key_id} cannot be found.")
    response: Response = original(parameters)
    return response


def _get_access_key_last_used(original: Any, parameters: dict[str, Any]) -> Response:
    key_id = iam._p(parameters, "AccessKeyId")
    record = iam._access_keys.get(key_id)
    if record is None or key_id not in _last_used:
        response: Response = original(parameters)
        return response
    used, region, service = _last_used[key_id]
    body = (
        "<GetAccessKeyLastUsedResult>"
        f"<UserName>{record['UserName']}</UserName>"
        "<AccessKeyLastUsed>"
        f"<LastUsedDate>{used.strftime('%Y-%m-%dT%H:%M:%SZ')}</LastUsedDate>"
        f"<Region>{region}</Region><ServiceName>{service}</ServiceName>"
        "</AccessKeyLastUsed>"
        "</GetAccessKeyLastUsedResult>"
    )
    answer: Response = iam._xml(200, "GetAccessKeyLastUsedResponse", body, ns="iam")
    return answer


def _keys_of(user_name: str) -> list[str]:
    records = iam._access_keys.items()
    return [key_id for key_id, record in records if record["UserName"] == user_name]


def _error(status: int, code: str, message: str) -> Response:
    response: Response = iam._error(status, code, message, ns="iam")
    return response


# --- CloudFormation ----------------------------------------------------------------------------


def _create(
    logical_id: str, properties: dict[str, Any], stack_name: str
) -> tuple[str, dict[str, str]]:
    body = _call("CreateAccessKey", UserName=_user_name(properties))
    key_id = _text(body, "AccessKeyId")
    if properties.get("Status"):
        _set_status(key_id, properties)
    return key_id, {"SecretAccessKey": _text(body, "SecretAccessKey")}


def _update(
    physical_id: str, old: dict[str, Any], new: dict[str, Any], stack_name: str
) -> tuple[str, dict[str, str]]:
    _set_status(physical_id, new)
    return physical_id, {"SecretAccessKey": iam._access_keys[physical_id]["SecretAccessKey"]}


def _delete(physical_id: str, properties: dict[str, Any]) -> None:
    if physical_id in iam._access_keys:
        _call("DeleteAccessKey", UserName=_user_name(properties), AccessKeyId=physical_id)


def _set_status(key_id: str, properties: dict[str, Any]) -> None:
    status = properties.get("Status") or "Active"
    _call(
        "UpdateAccessKey", UserName=_user_name(properties), AccessKeyId=key_id, Status=str(status)
    )


def _user_name(properties: dict[str, Any]) -> str:
    name = properties.get("UserName")
    if not name:
        raise ValueError(f"{_TYPE}: Property UserName is required.")
    return str(name)


def _call(action: str, **parameters: str) -> ElementTree.Element:
    status, _, body = iam._IAM_HANDLERS[action](parameters)
    document = ElementTree.fromstring(body)
    if status >= 400:
        raise ValueError(f"{_text(document, 'Message')} ({_TYPE}, {_text(document, 'Code')})")
    return document


def _text(document: ElementTree.Element, name: str) -> str:
    return document.findtext(f".//{_NAMESPACE}{name}") or ""

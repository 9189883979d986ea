"""Access keys of IAM users, in CloudFormation and in the API.

MiniStack 1.5.33 has no AWS::IAM::AccessKey, allows any number of keys per user, and reports every
key as never used.

AWS allows two keys per user, including inactive ones (IAM User Guide, "IAM and AWS STS quotas"),
and reports when a key last signed a request (IAM API Reference, "GetAccessKeyLastUsed"). Changing
Serial creates the new key first, and deletes the old one during cleanup (CloudFormation Template
Reference, "AWS::IAM::AccessKey"). For some seconds, AWS rejects a new key as unknown (IAM User
Guide, "Changes that I make are not always immediately visible").

Here a new key works at once, unless `Emulator.delay_new_access_keys` sets a delay and IAM policies
are evaluated. The property Status is ignored.
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
    patching.require(iam_evaluator, ["AuthError", "_unknown_access_key"])
    patching.wrap(iam_evaluator, "authenticate", _authenticate)
    owner = "ministack.services.iam"
    patching.wrap_entry(iam._IAM_HANDLERS, owner, "CreateAccessKey", _create_access_key)
    patching.wrap_entry(iam._IAM_HANDLERS, owner, "GetAccessKeyLastUsed", _get_access_key_last_used)
    patching.add_resource_type(
        _TYPE, replacing=("Serial", "UserName"), create=_create, update=_update, delete=_delete
    )


def control(method: str, content: bytes) -> tuple[int, Any]:
    """Set the delay of new keys on POST {"seconds": number}, and return it on GET."""
    global _delay
    if method == "POST":
        try:
            _delay = max(0.0, float(json.loads(content)["seconds"]))
        except (ValueError, KeyError, TypeError):
            return 400, {"seconds": _delay}
    return 200, {"seconds": _delay}


def record_use(headers: Iterable[tuple[bytes, bytes]]) -> None:
    """Record the use of the access key that signed a request."""
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
    """Reject a key that AWS would not know yet."""
    created = _created.get(access_key_id)
    if created is not None and time.monotonic() - created < _delay:
        unknown = iam_evaluator._unknown_access_key()
        return iam_evaluator.AuthError(unknown.code, unknown.message)
    return original(access_key_id, account_id)


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
    body = call_iam("CreateAccessKey", UserName=properties["UserName"])
    key_id = _text(body, "AccessKeyId")
    return key_id, {"SecretAccessKey": _text(body, "SecretAccessKey")}


def _update(
    physical_id: str, old: dict[str, Any], new: dict[str, Any], stack_name: str
) -> tuple[str, dict[str, str]]:
    return physical_id, {"SecretAccessKey": iam._access_keys[physical_id]["SecretAccessKey"]}


def _delete(physical_id: str, properties: dict[str, Any]) -> None:
    if physical_id in iam._access_keys:
        call_iam("DeleteAccessKey", UserName=properties["UserName"], AccessKeyId=physical_id)


def call_iam(action: str, **parameters: str) -> ElementTree.Element:
    """Call an IAM action for CloudFormation and return the response.

    Raises:
        ValueError: IAM rejected the call. The message is AWS's, with the error code.
    """
    status, _, body = iam._IAM_HANDLERS[action](parameters)
    document = ElementTree.fromstring(body)
    if status >= 400:
        raise ValueError(f"{_text(document, 'Message')} ({action}, {_text(document, 'Code')})")
    return document


def _text(document: ElementTree.Element, name: str) -> str:
    return document.findtext(f".//{_NAMESPACE}{name}") or ""

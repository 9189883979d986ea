"""The kinds of options that are AWS resources: a CDK object, a name or an ARN."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import aws_cdk as cdk
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_events as events
from aws_cdk import aws_kms as kms
from aws_cdk import aws_logs as logs
from aws_cdk import aws_secretsmanager as secretsmanager
from aws_cdk import aws_sns as sns
from constructs import Construct

from openreplay_cw_stack.infra.internal.option_fields import Fields
from openreplay_cw_stack.infra.internal.option_kinds import (
    Flag,
    Kind,
    Number,
    Text,
    WrongValue,
)
from openreplay_cw_stack.infra.open_replay_project import OpenReplayProject


@dataclass(frozen=True)
class Resource(Kind):
    """An AWS resource: a CDK object or, with ``import_``, its name or ARN.

    Attributes:
        interface: the CDK interface of the object, such as ``ISecret``.
        attributes: the attributes that every such object has.
        arn: the pattern of its ARN; empty: only objects are accepted.
        example: an example of its ARN.
        name: the pattern of its name.
        arns_by_token: whether a token, which is known only at deployment, is taken for an ARN.
        names_in_context: whether the context also accepts its name.
        import_: creates the CDK object from a name or an ARN.
    """

    interface: str
    attributes: tuple[str, ...]
    arn: str = ""
    example: str = ""
    name: str = ""
    arns_by_token: bool = True
    names_in_context: bool = True
    import_: Callable[[Construct, str, str], Any] | None = None

    def check(self, value: Any) -> Any:
        if isinstance(value, str) and self.import_ is not None:
            return self._text(value, self.name, f" or {self._object}")
        if isinstance(value, str) or not all(_has(value, one) for one in self.attributes):
            texts = f"{self._texts(self.name)} or " if self.arn else ""
            raise WrongValue(f"give {texts}{self._object}")
        return value

    def parse(self, value: Any) -> Any:
        return self._text(value, self.name if self.names_in_context else "", "")

    def resolve(self, value: Any, scope: Construct, construct_id: str) -> Any:
        if isinstance(value, str) and self.import_ is not None:
            existing = scope.node.try_find_child(construct_id)
            return existing or self.import_(scope, construct_id, value)
        return value

    def _text(self, value: Any, name: str, or_object: str) -> str:
        text = value.strip() if isinstance(value, str) else ""
        if cdk.Token.is_unresolved(text):
            if not self.arns_by_token:
                raise WrongValue(f"give {self._object}, created from that text with from_...()")
            return text
        if not re.fullmatch(self.arn, text) and not re.fullmatch(name or r"(?!)", text):
            raise WrongValue(f"give {self._texts(name)}{or_object}")
        return text

    def _texts(self, name: str) -> str:
        return f"{'a name, or ' if name else ''}an ARN like {self.example}"

    @property
    def _object(self) -> str:
        return f"an {self.interface}"


def _has(value: Any, attribute: str) -> bool:
    """Return whether an object or its class has an attribute; jsii proxies may raise instead."""
    try:
        return hasattr(type(value), attribute) or hasattr(value, attribute)
    except Exception:
        return False


_PLACE = "eu-west-1:123456789012"
# CloudWatch Logs API reference, "CreateLogGroup".
_LOG_GROUP_NAME = r"(?!aws/)[.\-_/#A-Za-z0-9]{1,512}"
LOG_GROUP_NAME = Text(
    _LOG_GROUP_NAME,
    "give the name of a log group: 1 to 512 letters, digits and the characters . - _ / #, which "
    "does not begin with aws/",
)


def _arn(service: str, resource: str) -> str:
    return rf"arn:aws[a-z-]*:{service}:[a-z0-9-]+:\d{{12}}:{resource}"


def _log_group(scope: Construct, construct_id: str, text: str) -> logs.ILogGroup:
    if text.startswith("arn:"):
        return logs.LogGroup.from_log_group_arn(scope, construct_id, text)
    return logs.LogGroup.from_log_group_name(scope, construct_id, text)


def _secret(scope: Construct, construct_id: str, text: str) -> secretsmanager.ISecret:
    """Import a secret.

    Secrets Manager User Guide: a complete ARN ends in a hyphen and six random characters.
    """
    if cdk.Token.is_unresolved(text) or re.search(r":secret:.+-[A-Za-z0-9]{6}\Z", text):
        return secretsmanager.Secret.from_secret_complete_arn(scope, construct_id, text)
    if text.startswith("arn:"):
        return secretsmanager.Secret.from_secret_partial_arn(scope, construct_id, text)
    return secretsmanager.Secret.from_secret_name_v2(scope, construct_id, text)


def _key(scope: Construct, construct_id: str, text: str) -> kms.IKey:
    return kms.Key.from_key_arn(scope, construct_id, _arn_of(scope, "kms", "key/", text))


def _topic(scope: Construct, construct_id: str, text: str) -> sns.ITopic:
    return sns.Topic.from_topic_arn(scope, construct_id, _arn_of(scope, "sns", "", text))


def _bus(scope: Construct, construct_id: str, text: str) -> events.IEventBus:
    arn = _arn_of(scope, "events", "event-bus/", text)
    return events.EventBus.from_event_bus_arn(scope, construct_id, arn)


def _table(scope: Construct, construct_id: str, text: str) -> dynamodb.ITable:
    arn = _arn_of(scope, "dynamodb", "table/", text)
    return dynamodb.Table.from_table_arn(scope, construct_id, arn)


def _arn_of(scope: Construct, service: str, prefix: str, text: str) -> str:
    """Return an ARN as it is, and the ARN for a name in the stack's account and region."""
    if cdk.Token.is_unresolved(text) or text.startswith("arn:"):
        return text
    stack = cdk.Stack.of(scope)
    return f"arn:{stack.partition}:{service}:{stack.region}:{stack.account}:{prefix}{text}"


LOG_GROUP = Resource(
    "ILogGroup",
    ("log_group_name", "log_group_arn"),
    arn=_arn("logs", r"log-group:[^:*]{1,512}(:\*)?"),
    example=f"arn:aws:logs:{_PLACE}:log-group:/app/shop",
    name=_LOG_GROUP_NAME,
    arns_by_token=False,
    import_=_log_group,
)
SECRET = Resource(
    "ISecret",
    ("secret_arn", "secret_name", "grant_read"),
    arn=_arn("secretsmanager", r"secret:\S+"),
    example=f"arn:aws:secretsmanager:{_PLACE}:secret:openreplay-AbCdEf",
    name=r"[A-Za-z0-9/_+=.@-]{1,512}",
    # On a command line, a text that looks like a name can be the secret value itself.
    names_in_context=False,
    import_=_secret,
)
KEY = Resource(
    "IKey",
    ("key_arn", "key_id", "grant_decrypt"),
    arn=_arn("kms", r"key/\S+"),
    example=f"arn:aws:kms:{_PLACE}:key/1234abcd-12ab-34cd-56ef-1234567890ab",
    name=r"(mrk-)?[0-9a-f-]{32,36}",
    import_=_key,
)
TOPIC = Resource(
    "ITopic",
    ("topic_arn", "topic_name", "grant_publish"),
    arn=_arn("sns", r"\S+"),
    example=f"arn:aws:sns:{_PLACE}:alarms",
    name=r"[A-Za-z0-9_-]{1,256}",
    import_=_topic,
)
TABLE = Resource(
    "ITable",
    ("table_arn", "table_name", "grant_read_data"),
    arn=_arn("dynamodb", r"table/\S+"),
    example=f"arn:aws:dynamodb:{_PLACE}:table/openreplay-sessions",
    name=r"[A-Za-z0-9_.-]{3,255}",
    import_=_table,
)
_BUS = Resource(
    "IEventBus",
    ("event_bus_arn", "event_bus_name", "grant_put_events_to"),
    arn=_arn("events", r"event-bus/\S+"),
    example=f"arn:aws:events:{_PLACE}:event-bus/errors",
    name=r"[A-Za-z0-9._/-]{1,256}",
    import_=_bus,
)


@dataclass(frozen=True)
class EventBus(Kind):
    """An event bus. True means the account's default bus; False and None mean no bus."""

    def check(self, value: Any) -> Any:
        if value is None or isinstance(value, bool):
            return value or None
        return self._read(_BUS.check, value, "True for the default bus")

    def parse(self, value: Any) -> Any:
        word = value.strip().lower() if isinstance(value, str) else value
        if word in ("none", "false", False, None):
            return None
        if word in ("true", True):
            return True
        return self._read(_BUS.parse, value, "true for the default bus")

    def resolve(self, value: Any, scope: Construct, construct_id: str) -> Any:
        if value is None:
            return None
        return _BUS.resolve("default" if value is True else value, scope, construct_id)

    def _read(self, read: Callable[[Any], Any], value: Any, or_true: str) -> Any:
        try:
            return read(value)
        except WrongValue as wrong:
            raise WrongValue(f"{wrong.fix}, or {or_true}") from None


DOMAIN_NAME = Resource("IDomainName", ("name", "regional_domain_name"))
_VPC = Resource("IVpc", ("vpc_id", "private_subnets"))
PROJECT = Fields(
    OpenReplayProject,
    {
        "url": Text(r"\S+", "give a text such as https://openreplay.example"),
        "project_id": Number(1),
        "login_secret": SECRET,
        "insecure": Flag(),
        "replace_integration": Flag(),
        "vpc": _VPC,
    },
    required=frozenset({"url", "project_id", "login_secret"}),
    example='an OpenReplayProject, or {"url": "https://openreplay.example", "project_id": 1, '
    '"login_secret": "arn:aws:secretsmanager:..."}, optionally insecure and replace_integration',
    check_whole=OpenReplayProject.check,
)

"""The stack's settings from the CDK context: ``cdk.json``, or ``-c key=value`` on the command line.

Values on the command line are text; in ``cdk.json`` they may also be lists, numbers and booleans.
Every error is found at once, and each names the key, the value, and what would be right.
"""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from aws_cdk import Duration, RemovalPolicy
from aws_cdk import aws_logs as logs

from openreplay_cw_stack.contract.openreplay_project import checked_url
from openreplay_cw_stack.infra.ingest_stream import Ingest
from openreplay_cw_stack.infra.internal.log_groups import check_log_group_name
from openreplay_cw_stack.infra.service_account import ServiceAccountAccess
from openreplay_cw_stack.infra.session_search_bridge import check_source_ranges

# CloudWatch Logs API reference, "PutRetentionPolicy".
_RETENTIONS = {
    "1": logs.RetentionDays.ONE_DAY,
    "3": logs.RetentionDays.THREE_DAYS,
    "5": logs.RetentionDays.FIVE_DAYS,
    "7": logs.RetentionDays.ONE_WEEK,
    "14": logs.RetentionDays.TWO_WEEKS,
    "30": logs.RetentionDays.ONE_MONTH,
    "60": logs.RetentionDays.TWO_MONTHS,
    "90": logs.RetentionDays.THREE_MONTHS,
    "120": logs.RetentionDays.FOUR_MONTHS,
    "150": logs.RetentionDays.FIVE_MONTHS,
    "180": logs.RetentionDays.SIX_MONTHS,
    "365": logs.RetentionDays.ONE_YEAR,
    "400": logs.RetentionDays.THIRTEEN_MONTHS,
    "545": logs.RetentionDays.EIGHTEEN_MONTHS,
    "731": logs.RetentionDays.TWO_YEARS,
    "1096": logs.RetentionDays.THREE_YEARS,
    "1827": logs.RetentionDays.FIVE_YEARS,
    "2192": logs.RetentionDays.SIX_YEARS,
    "2557": logs.RetentionDays.SEVEN_YEARS,
    "2922": logs.RetentionDays.EIGHT_YEARS,
    "3288": logs.RetentionDays.NINE_YEARS,
    "3653": logs.RetentionDays.TEN_YEARS,
}


FIRST_LOG_GROUP = "/openreplay/backend"
"""The log group that is created and tracked where no other is named."""


class InvalidSettings(ValueError):
    """One or more settings are wrong.

    Attributes:
        errors: one sentence each.
    """

    def __init__(self, errors: Sequence[str]) -> None:
        self.errors = tuple(errors)
        super().__init__("\n".join(f"  - {error}" for error in errors))


class _Wrong(ValueError):
    """A value is wrong; the message says what would be right."""


@dataclass(frozen=True)
class Setting:
    """One setting.

    Attributes:
        parse: takes the value from the context; raises with what would be right.
        default: what the stack has without it, as the README shows it.
        meaning: one sentence for the README's table.
    """

    parse: Callable[[object], Any]
    default: str
    meaning: str


def settings_from_context(context: Mapping[str, object]) -> dict[str, Any]:
    """The keyword arguments of :class:`OpenReplayCloudWatchStack`, and ``stack_id``.

    Feature flags and values that the CDK keeps in its context are passed over; any other key that
    is not a setting is refused. Where no log group is named, one is created to begin with.

    Raises:
        InvalidSettings: with every error.
    """
    errors: list[str] = []
    settings: dict[str, Any] = {}
    for key, value in context.items():
        if key in SETTINGS:
            try:
                settings[key] = SETTINGS[key].parse(value)
            except _Wrong as wrong:
                errors.append(f"{key}: {_shown(value)} is not right; {wrong}")
        elif not _is_kept_by_cdk(key):
            errors.append(_unknown(key))
    errors += _contradictions(settings)
    if errors:
        raise InvalidSettings(errors)
    if not any(map(settings.get, _WHAT_IS_TRACKED)):
        settings["new_log_groups"] = (FIRST_LOG_GROUP,)
    return settings


def log_group_name_of(name_or_arn: str) -> str:
    """The name of a log group that is given by its name or by its ARN."""
    match = _LOG_GROUP_ARN.match(name_or_arn)
    return match.group(1) if match else name_or_arn


def _contradictions(settings: Mapping[str, Any]) -> list[str]:
    named: dict[str, str] = {}
    errors = []
    for key in ("new_log_groups", "log_groups"):
        value = settings.get(key) or ()
        for item in (value,) if isinstance(value, str) else value:
            name = log_group_name_of(item)
            if name in named:
                errors.append(f"{key}: {name!r} is in {named[name]} too; name it once")
            named.setdefault(name, key)
    if settings.get("session_table") and settings.get("session_table_write_limit"):
        errors.append(
            f"session_table_write_limit: {str(settings['session_table_write_limit'])!r} is a limit "
            "of the new table, and session_table names an existing one; leave one out"
        )
    for key in ("log_groups", "new_log_groups"):
        if settings.get("track_account") and settings.get(key):
            errors.append(
                f"{key}: is given and so is track_account, which tracks them already; every line "
                "would be delivered twice, leave one out"
            )
    if settings.get("untracked_log_groups") and not settings.get("track_account"):
        errors.append("untracked_log_groups: leaves nothing out without track_account=true")
    if settings.get("source_accounts") and settings.get("ingest") is not Ingest.KINESIS:
        errors.append("source_accounts: other accounts can send lines with ingest=kinesis alone")
    return errors + _contradictions_of_service_account(settings)


def _contradictions_of_service_account(settings: Mapping[str, Any]) -> list[str]:
    errors = []
    if settings.get("service_account", True):
        others = settings.get("source_accounts") and settings.get("ingest") is Ingest.KINESIS
        elsewhere = settings.get("track_account") or others
        known = ("service_account_log_groups", "log_groups", "new_log_groups")
        if elsewhere and not any(map(settings.get, known)):
            errors.append(
                "service_account_log_groups: the service account's log groups are not known; name "
                "the ones that OpenReplay reads, or set service_account=false"
            )
    elif settings.get("service_account_log_groups"):
        errors.append(
            "service_account_log_groups: are given and service_account is false; leave one out"
        )
    return errors


_WHAT_IS_TRACKED = ("log_groups", "new_log_groups", "track_account", "source_accounts")


def _unknown(key: str) -> str:
    close = difflib.get_close_matches(key.replace("-", "_").lower(), SETTINGS, n=1)
    hint = f"did you mean {close[0]}?" if close else f"there are: {', '.join(SETTINGS)}"
    return f"{key}: is not a setting; {hint}"


def _is_kept_by_cdk(key: str) -> bool:
    return key.startswith("@") or ":" in key or key in _CDK_KEYS


_CDK_KEYS = frozenset({"acknowledged-issue-numbers", "cli-telemetry"})
_LOG_GROUP_ARN = re.compile(r"arn:aws[a-z-]*:logs:[a-z0-9-]+:\d{12}:log-group:([^:*]+)(?::\*)?\Z")


def _shown(value: object) -> str:
    text = value if isinstance(value, str) else json.dumps(value, default=str)
    return repr(text if len(text) <= 80 else text[:77] + "...") if text else "an empty value"


def _text(value: object) -> str:
    if not isinstance(value, str) or not value.strip():
        raise _Wrong("give a text")
    return value.strip()


def _flag(value: object) -> bool:
    if isinstance(value, bool):
        return value
    word = value.strip().lower() if isinstance(value, str) else None
    if word not in ("true", "false"):
        raise _Wrong("give true or false")
    return word == "true"


def _number(least: int) -> Callable[[object], int]:
    def parse(value: object) -> int:
        text = str(value).strip() if isinstance(value, int | str) else ""
        if isinstance(value, bool) or not re.fullmatch(r"[0-9]{1,9}", text) or int(text) < least:
            raise _Wrong(f"give a whole number of {least} or more")
        return int(text)

    return parse


def _retention(value: object) -> logs.RetentionDays:
    days = str(value).strip() if isinstance(value, int | str) else ""
    if days not in _RETENTIONS:
        raise _Wrong(f"give one of {', '.join(_RETENTIONS)}")
    return _RETENTIONS[days]


def _duration(least: int, most: int) -> Callable[[object], Duration]:
    def parse(value: object) -> Duration:
        text = str(value).strip().lower() if isinstance(value, int | str) else ""
        match = re.fullmatch(r"([0-9]{1,9})(s|m|h|d)?", text)
        seconds = int(match.group(1)) * _UNITS[match.group(2)] if match else -1
        if isinstance(value, bool) or not least <= seconds <= most:
            raise _Wrong(f"give {least} to {most} seconds, such as 90s, 3m, 2h or 2d")
        return Duration.seconds(seconds)

    return parse


_UNITS = {None: 1, "s": 1, "m": 60, "h": 3600, "d": 86400}


def _account(value: object) -> str:
    text = _text(value)
    if not re.fullmatch(r"[0-9]{12}", text):
        raise _Wrong("give ids of accounts, twelve digits each")
    return text


def _source_range(value: object) -> str:
    text = _text(value)
    try:
        return check_source_ranges([text])[0]
    except ValueError:
        raise _Wrong("give address ranges in CIDR notation, such as 203.0.113.0/24") from None


def _choice(choices: Mapping[str, Any]) -> Callable[[object], Any]:
    def parse(value: object) -> Any:
        word = value.strip().lower() if isinstance(value, str) else ""
        if word not in choices:
            raise _Wrong(f"give {' or '.join(choices)}")
        return choices[word]

    return parse


def _list_of(parse_one: Callable[[object], Any]) -> Callable[[object], tuple[Any, ...]]:
    def parse(value: object) -> tuple[Any, ...]:
        if isinstance(value, str):
            value = [item for item in (part.strip() for part in value.split(",")) if item]
        if not isinstance(value, list):
            raise _Wrong("give a list, or names with commas between them")
        parsed = tuple(map(parse_one, value))
        for item in parsed:
            if parsed.count(item) > 1:
                raise _Wrong(f"{str(item)!r} is in it twice, name it once")
        return parsed

    return parse


def _or_none(parse_one: Callable[[object], Any]) -> Callable[[object], Any]:
    def parse(value: object) -> Any:
        if value is None or (isinstance(value, str) and value.strip().lower() == "none"):
            return None
        try:
            return parse_one(value)
        except _Wrong as wrong:
            raise _Wrong(f"{wrong}, or none") from None

    return parse


def _log_group_name(value: object) -> str:
    name = _text(value)
    try:
        check_log_group_name(name)
    except ValueError as error:
        raise _Wrong(str(error)) from None
    return name


def _log_group_name_or_arn(value: object) -> str:
    text = _text(value)
    if not text.startswith("arn:"):
        return _log_group_name(text)
    if not _LOG_GROUP_ARN.match(text):
        raise _Wrong(
            "give a name, or an ARN like arn:aws:logs:eu-west-1:123456789012:log-group:/app/shop"
        )
    return text


def _arn(service: str, example: str) -> Callable[[object], str]:
    pattern = re.compile(rf"arn:aws[a-z-]*:{service}:[a-z0-9-]+:\d{{12}}:\S+\Z")

    def parse(value: object) -> str:
        text = _text(value)
        if not pattern.match(text):
            raise _Wrong(f"give an ARN like {example}")
        return text

    return parse


def _projects(value: object) -> tuple[dict[str, object], ...]:
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except ValueError:
            raise _Wrong(f"give {_PROJECT_EXAMPLE}") from None
    if not isinstance(value, list) or not all(isinstance(one, dict) for one in value):
        raise _Wrong(f"give {_PROJECT_EXAMPLE}")
    return tuple(map(_project, value))


def _project(given: dict[str, object]) -> dict[str, object]:
    missing = {"url", "project_id", "login_secret"} - set(given)
    unknown = set(given) - set(_PROJECT_FIELDS)
    if missing or unknown:
        what = (
            f"{', '.join(sorted(missing or unknown))} {'is missing' if missing else 'is unknown'}"
        )
        raise _Wrong(f"{what} in a project; give {_PROJECT_EXAMPLE}")
    try:
        project = {name: _PROJECT_FIELDS[name](value) for name, value in given.items()}
        checked_url(str(project["url"]), insecure=bool(project.get("insecure")))
    except ValueError as error:
        raise _Wrong(str(error)) from None
    return project


_PROJECT_EXAMPLE = (
    'a list like [{"url": "https://openreplay.example", "project_id": 1, "login_secret": '
    '"arn:aws:secretsmanager:…"}]; it may also have insecure'
)


def _stack_id(value: object) -> str:
    name = _text(value)
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9-]{0,127}", name):
        raise _Wrong("give a letter and then letters, digits and hyphens, 128 in all at most")
    return name


def _user_name(value: object) -> str:
    name = _text(value)
    if not re.fullmatch(r"[A-Za-z0-9+=,.@_-]{1,64}", name):
        raise _Wrong("give 1 to 64 letters, digits and the characters '+=,.@-_'")
    return name


_PROJECT_FIELDS: dict[str, Callable[[object], object]] = {
    "url": _text,
    "project_id": _number(1),
    "login_secret": _arn(
        "secretsmanager", "arn:aws:secretsmanager:eu-west-1:123456789012:secret:openreplay-AbCdEf"
    ),
    "insecure": _flag,
}

_REMOVAL_POLICIES = {"retain": RemovalPolicy.RETAIN, "destroy": RemovalPolicy.DESTROY}

SETTINGS: dict[str, Setting] = {
    "new_log_groups": Setting(
        _list_of(_log_group_name),
        f"{FIRST_LOG_GROUP} where no log group is named",
        "Names of log groups to create and to track",
    ),
    "log_groups": Setting(
        _list_of(_log_group_name_or_arn),
        "none",
        "Names or ARNs of existing log groups to track",
    ),
    "track_account": Setting(
        _flag,
        "false",
        "Track every log group of the account and region, with one subscription, in place of "
        "log_groups and new_log_groups",
    ),
    "untracked_log_groups": Setting(
        _list_of(_log_group_name), "none", "With track_account: names of log groups to leave out"
    ),
    "ingest": Setting(
        _choice({ingest.value: ingest for ingest in Ingest}),
        "direct",
        "How lines get to the validator: direct, or kinesis (a stream between, for more than "
        "Lambda runs at once and for other accounts)",
    ),
    "source_accounts": Setting(
        _list_of(_account),
        "none",
        "With ingest=kinesis: ids of other accounts that may send their lines",
    ),
    "session_table": Setting(
        _or_none(
            _arn("dynamodb", "arn:aws:dynamodb:eu-west-1:123456789012:table/openreplay-sessions")
        ),
        "a new one",
        "ARN of an existing session table, also of another region or account",
    ),
    "session_table_write_limit": Setting(
        _or_none(_number(1)),
        "none",
        "Write units a second that the new session table takes at most, as a cost brake",
    ),
    "line_retention": Setting(
        _duration(86400, 3653 * 86400), "30d", "How long the session table keeps a linked line"
    ),
    "log_retention": Setting(
        _retention, "30", "Days that lines are kept in the log groups created here"
    ),
    "removal_policy": Setting(
        _choice(_REMOVAL_POLICIES),
        "retain",
        "What becomes of the session table and the log groups created here when the stack goes: "
        "retain or destroy",
    ),
    "token_secret": Setting(
        _or_none(
            _arn(
                "secretsmanager",
                "arn:aws:secretsmanager:eu-west-1:123456789012:secret:openreplay-AbCdEf",
            )
        ),
        "none",
        "ARN of a secret that holds a self-hosted OpenReplay's TOKEN_SECRET, to check signatures",
    ),
    "accept_unsigned_ids": Setting(
        _flag,
        "false",
        "With token_secret: accept openReplaySession.id= too, which has no signature",
    ),
    "service_account": Setting(
        _flag,
        "true",
        "Whether to create the IAM user of OpenReplay's page, which OpenReplay v1.21 and later do "
        "not use",
    ),
    "service_account_log_groups": Setting(
        _list_of(_log_group_name_or_arn),
        "the tracked log groups",
        "Names or ARNs of the log groups that its key reads; needed with track_account",
    ),
    "service_account_access": Setting(
        _choice({access.value: access for access in ServiceAccountAccess}),
        "scoped",
        "What its key may do: scoped, scoped_and_describe or cloud_watch_read_only",
    ),
    "user_name": Setting(
        _or_none(_user_name),
        "openreplay_cw",
        "The IAM user's name; unique in an account, none for a generated one",
    ),
    "key_serial": Setting(_number(1), "1", "A higher number replaces the access key"),
    "rotation": Setting(
        _or_none(_duration(4 * 3600, 1000 * 86400)),
        "none",
        "How often the keys are replaced, such as 30d; key_serial has no use then",
    ),
    "rotation_grace": Setting(
        _duration(3600, 1000 * 86400),
        "7d",
        "How long a replaced key is accepted by the bridge at most, or can be enabled again; at "
        "most rotation",
    ),
    "openreplay_projects": Setting(
        _projects,
        "none",
        'OpenReplay projects that are told without a person: a list of {"url": …, "project_id": …, '
        '"login_secret": ARN}',
    ),
    "bridge": Setting(
        _flag, "true", "Whether to make the endpoint that OpenReplay v1.21 and later ask"
    ),
    "bridge_reserved_concurrency": Setting(
        _or_none(_number(1)),
        "5",
        "How many questions the bridge answers at once; none sets no cap",
    ),
    "allowed_source_ranges": Setting(
        _list_of(_source_range),
        "all, with the key",
        "Addresses that may ask the bridge and use the service account's key, in CIDR notation",
    ),
    "settle": Setting(
        _duration(0, 3600),
        "3m",
        "How long after a session's last line its answer is held back (OpenReplay keeps the first)",
    ),
    "session_lifetime": Setting(
        _duration(60, 30 * 86400), "2h", "OpenReplay's MAX_SESSION_DURATION"
    ),
    "hold_until_over": Setting(
        _flag, "false", "Give no lines while the session may still be running"
    ),
    "show_log_group": Setting(
        _flag, "true", "Whether a message beside the replay begins with its log group"
    ),
    "encryption_key": Setting(
        _or_none(
            _arn(
                "kms", "arn:aws:kms:eu-west-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab"
            )
        ),
        "AWS's own keys",
        "ARN of a KMS key for session table, log groups, secrets, queues and topic; its policy "
        "must let CloudWatch Logs and alarms use it",
    ),
    "reserved_concurrency": Setting(
        _or_none(_number(1)),
        "10",
        "How many payloads the validator judges at once; none reserves nothing",
    ),
    "detailed_metrics": Setting(
        _flag, "false", "Also publish lines by log group and verdict (0.30 dollars a month a pair)"
    ),
    "alarm_topic": Setting(
        _or_none(_arn("sns", "arn:aws:sns:eu-west-1:123456789012:alarms")),
        "a new one",
        "ARN of an SNS topic for the alarms",
    ),
    "dashboard": Setting(_flag, "true", "Whether to make a CloudWatch dashboard"),
    "stack_id": Setting(_stack_id, "OpenReplayCloudWatch", "The name of the stack"),
}
"""Every setting, in the order of the README's table."""

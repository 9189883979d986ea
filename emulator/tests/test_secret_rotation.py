from __future__ import annotations

import contextlib
import json
import time
import uuid
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from botocore.exceptions import ClientError

from emulator import Emulator
from emulator.rotation_attempts import ATTEMPTS
from emulator.tests.support import (
    ACCOUNT,
    allow,
    create_function,
    delete_stack,
    deploy,
    failure_reasons,
    iam_evaluated,
    lines_of,
    outputs,
    policy,
    settle,
    unique,
    wait_for,
)

pytestmark = pytest.mark.emulator

PRINCIPAL = "secretsmanager.amazonaws.com"
STEPS = ["createSecret", "setSecret", "testSecret", "finishSecret"]
WEEKLY = {"AutomaticallyAfterDays": 7}

# Fails the steps in the secret's tag "fail", and reports its events.
ROTATING = """
import json, time
import boto3
from botocore.exceptions import ClientError
def handler(event, context):
    secrets = boto3.client("secretsmanager")
    arn, token, step = event["SecretId"], event["ClientRequestToken"], event["Step"]
    described = secrets.describe_secret(SecretId=arn)
    tags = {tag["Key"]: tag["Value"] for tag in described.get("Tags", [])}
    pending = {"SecretId": arn, "VersionId": token, "VersionStage": "AWSPENDING"}
    try:
        value = secrets.get_secret_value(**pending)["SecretString"]
    except secrets.exceptions.ResourceNotFoundException:
        value = None
    labels = described["VersionIdsToStages"].get(token)
    print("STEP " + json.dumps([step, token, value, labels]))
    if tags.get("fail") == step:
        raise RuntimeError("as told")
    if tags.get("hang") == step:
        time.sleep(60)
    if step == "createSecret" and value is None:
        secrets.put_secret_value(
            SecretId=arn, ClientRequestToken=token, SecretString="new", VersionStages=["AWSPENDING"]
        )
    if step == "finishSecret" and "lazy" not in tags:
        found = described["VersionIdsToStages"].items()
        current = [version for version, stages in found if "AWSCURRENT" in stages][0]
        secrets.update_secret_version_stage(
            SecretId=arn,
            VersionStage="AWSCURRENT",
            MoveToVersionId=token,
            RemoveFromVersionId=current,
        )
"""


@pytest.fixture(scope="module")
def aws() -> Iterator[Emulator]:
    """An emulator with a short wait between attempts at a rotation."""
    with Emulator(extra_environment={"SECRET_ROTATION_RETRY_SECONDS": "0.2"}) as emulator:
        yield emulator


def permit(aws: Emulator, function: str, **conditions: str) -> None:
    aws.client("lambda").add_permission(
        FunctionName=function,
        StatementId=unique("rotation"),
        Action="lambda:InvokeFunction",
        Principal=PRINCIPAL,
        **conditions,
    )


@pytest.fixture
def function(aws: Emulator) -> str:
    arn = create_function(aws, ROTATING, open_to_logs=False)
    permit(aws, arn, SourceAccount=ACCOUNT)
    return arn


@pytest.fixture
def secret(aws: Emulator) -> str:
    created = aws.client("secretsmanager").create_secret(Name=unique("secret"), SecretString="old")
    return str(created["ARN"])


def tag(aws: Emulator, secret: str, **tags: str) -> None:
    listed = [{"Key": key, "Value": value} for key, value in tags.items()]
    aws.client("secretsmanager").tag_resource(SecretId=secret, Tags=listed)


def untag(aws: Emulator, secret: str, *keys: str) -> None:
    aws.client("secretsmanager").untag_resource(SecretId=secret, TagKeys=list(keys))


def rotate(aws: Emulator, secret: str, function: str | None = None, **options: Any) -> Any:
    if function is not None:
        options = {"RotationLambdaARN": function, "RotationRules": WEEKLY, **options}
    return aws.client("secretsmanager").rotate_secret(SecretId=secret, **options)


def value(aws: Emulator, secret: str, label: str = "AWSCURRENT") -> str:
    found = aws.client("secretsmanager").get_secret_value(SecretId=secret, VersionStage=label)
    return str(found["SecretString"])


def describe(aws: Emulator, secret: str) -> Any:
    return aws.client("secretsmanager").describe_secret(SecretId=secret)


def rotated(aws: Emulator, secret: str) -> Any:
    return wait_for(lambda: describe(aws, secret).get("LastRotatedDate"))


def steps(aws: Emulator, function: str) -> list[Any]:
    lines = lines_of(aws, function)
    return [json.loads(line[5:]) for line in lines if line.startswith("STEP ")]


def attempts(aws: Emulator, function: str, step: str) -> int:
    return [one[0] for one in steps(aws, function)].count(step)


def failed(aws: Emulator, function: str, step: str) -> None:
    """Wait until a rotation that fails at a step is given up."""
    wait_for(lambda: attempts(aws, function, step) >= ATTEMPTS)
    time.sleep(1)
    assert attempts(aws, function, step) == ATTEMPTS


@contextlib.contextmanager
def refused(code: str, text: str = "") -> Iterator[None]:
    with pytest.raises(ClientError) as error:
        yield
    assert error.value.response["Error"]["Code"] == code
    assert text in error.value.response["Error"]["Message"]


def test_a_rotation(aws: Emulator, secret: str, function: str) -> None:
    before = describe(aws, secret)
    assert "RotationEnabled" not in before
    old = next(iter(before["VersionIdsToStages"]))
    token = str(uuid.uuid4())
    answer = rotate(aws, secret, function, ClientRequestToken=token)
    assert (answer["ARN"], answer["VersionId"]) == (secret, token)
    last = rotated(aws, secret)
    assert value(aws, secret) == "new"
    assert value(aws, secret, "AWSPREVIOUS") == "old"
    assert steps(aws, function) == [
        ["createSecret", token, None, ["AWSPENDING"]],
        *([step, token, "new", ["AWSPENDING"]] for step in STEPS[1:]),
    ]
    after = describe(aws, secret)
    assert after["VersionIdsToStages"] == {token: ["AWSCURRENT"], old: ["AWSPREVIOUS"]}
    assert after["RotationEnabled"] is True
    assert after["RotationLambdaARN"] == function
    assert after["RotationRules"] == WEEKLY
    assert datetime.now(timezone.utc) - last < timedelta(minutes=1)


def test_later_rotations_need_no_settings(aws: Emulator, secret: str, function: str) -> None:
    rotate(aws, secret, function, RotationRules={"ScheduleExpression": "rate(4 hours)"})
    rotated(aws, secret)
    second = rotate(aws, secret)["VersionId"]
    wait_for(lambda: describe(aws, secret)["VersionIdsToStages"].get(second) == ["AWSCURRENT"])
    assert describe(aws, secret)["RotationRules"] == {"ScheduleExpression": "rate(4 hours)"}
    # Repeating the token repeats the request.
    wait_for(lambda: attempts(aws, function, "finishSecret") == 2)
    assert rotate(aws, secret, ClientRequestToken=second)["VersionId"] == second
    assert attempts(aws, function, "createSecret") == 2


@pytest.mark.parametrize("step", STEPS)
def test_a_failed_step_is_attempted_again_from_the_first_on(
    aws: Emulator, secret: str, function: str, step: str
) -> None:
    tag(aws, secret, fail=step)
    token = rotate(aws, secret, function)["VersionId"]
    wait_for(lambda: attempts(aws, function, step) >= 2)
    with refused("InvalidRequestException", "A previous rotation isn't complete."):
        rotate(aws, secret)
    assert value(aws, secret) == "old"
    assert describe(aws, secret)["VersionIdsToStages"][token] == ["AWSPENDING"]
    untag(aws, secret, "fail")
    rotated(aws, secret)
    assert describe(aws, secret)["VersionIdsToStages"][token] == ["AWSCURRENT"]
    assert {one[1] for one in steps(aws, function)} == {token}
    names = [one[0] for one in steps(aws, function)]
    assert names[: STEPS.index(step) + 2] == [*STEPS[: STEPS.index(step) + 1], "createSecret"]
    assert names[-4:] == STEPS


def test_a_rotation_given_up_is_resumed_by_rotate_secret(
    aws: Emulator, secret: str, function: str
) -> None:
    tag(aws, secret, fail="setSecret")
    token = rotate(aws, secret, function)["VersionId"]
    failed(aws, function, "setSecret")
    assert value(aws, secret, "AWSPENDING") == "new"
    untag(aws, secret, "fail")
    with refused("InvalidRequestException", "That rotation will be reattempted."):
        rotate(aws, secret)
    rotated(aws, secret)
    assert describe(aws, secret)["VersionIdsToStages"][token] == ["AWSCURRENT"]


def test_finish_secret_must_move_the_label(aws: Emulator, secret: str, function: str) -> None:
    tag(aws, secret, lazy="yes")
    rotate(aws, secret, function)
    failed(aws, function, "finishSecret")
    assert "LastRotatedDate" not in describe(aws, secret)
    assert value(aws, secret) == "old"


def test_a_step_that_times_out_fails(aws: Emulator, secret: str, function: str) -> None:
    aws.client("lambda").update_function_configuration(FunctionName=function, Timeout=2)
    tag(aws, secret, hang="setSecret")
    rotate(aws, secret, function)
    wait_for(lambda: attempts(aws, function, "createSecret") >= 2)
    untag(aws, secret, "hang")
    rotated(aws, secret)


@pytest.mark.parametrize("after", [False, True])
def test_a_function_that_dies_in_a_step_is_asked_again(
    aws: Emulator, secret: str, function: str, after: bool
) -> None:
    aws.inject_fault("secretsmanager", "PutSecretValue", kill=True, after=after, match=secret)
    token = rotate(aws, secret, function)["VersionId"]
    rotated(aws, secret)
    assert aws.faults_met() == [1]
    aws.clear_faults()
    found = [one[2] for one in steps(aws, function) if one[0] == "createSecret"]
    assert found == [None, "new" if after else None]
    assert describe(aws, secret)["VersionIdsToStages"][token] == ["AWSCURRENT"]


def test_without_rotating_immediately_only_the_test_runs(
    aws: Emulator, secret: str, function: str
) -> None:
    before = describe(aws, secret)["VersionIdsToStages"]
    rotate(aws, secret, function, RotateImmediately=False)
    wait_for(lambda: steps(aws, function))
    step, token, tested, labels = steps(aws, function)[0]
    assert (step, tested, labels) == ("testSecret", "old", ["AWSPENDING"])
    assert token not in before
    wait_for(lambda: describe(aws, secret)["VersionIdsToStages"] == before)
    described = describe(aws, secret)
    assert described["RotationEnabled"] is True
    assert "LastRotatedDate" not in described
    assert len(steps(aws, function)) == 1


@pytest.mark.parametrize(
    "conditions",
    [
        None,
        {"SourceAccount": "111111111111"},
        {"SourceAccount": ACCOUNT, "SourceArn": "arn:aws:secretsmanager:us-east-1:0:secret:x"},
    ],
)
def test_a_function_that_may_not_be_invoked_is_refused(
    aws: Emulator, secret: str, conditions: dict[str, str] | None
) -> None:
    function = create_function(aws, ROTATING)
    if conditions is not None:
        permit(aws, function, **conditions)
    with refused("AccessDeniedException", f"grants access to the principal {PRINCIPAL}"):
        rotate(aws, secret, function)
    assert "RotationLambdaARN" not in describe(aws, secret)
    permit(aws, function, SourceArn=secret)
    rotate(aws, secret, function)
    rotated(aws, secret)


def test_a_function_that_does_not_exist_is_refused(aws: Emulator, secret: str) -> None:
    arn = f"arn:aws:lambda:us-east-1:{ACCOUNT}:function:unknown"
    with refused("AccessDeniedException"):
        rotate(aws, secret, arn)


def test_the_caller_must_be_allowed_to_invoke_the_function(
    aws: Emulator, secret: str, function: str
) -> None:
    iam = aws.client("iam")
    user = unique("user")
    iam.create_user(UserName=user)
    key = iam.create_access_key(UserName=user)["AccessKey"]
    secrets = aws.client(
        "secretsmanager",
        access_key_id=key["AccessKeyId"],
        secret_access_key=key["SecretAccessKey"],
    )
    rotating = allow("secretsmanager:RotateSecret", secret)
    invoking = allow("lambda:InvokeFunction", function)

    def grant(*statements: dict[str, Any]) -> None:
        iam.put_user_policy(UserName=user, PolicyName="own", PolicyDocument=policy(*statements))

    with iam_evaluated(aws):
        for statements in ([rotating], [invoking]):
            grant(*statements)
            with refused("AccessDeniedException"):
                secrets.rotate_secret(SecretId=secret, RotationLambdaARN=function)
        grant(rotating, invoking)
        secrets.rotate_secret(SecretId=secret, RotationLambdaARN=function)


# --- CloudFormation ----------------------------------------------------------------------------


def schedule(function: str, **properties: Any) -> dict[str, Any]:
    return {
        "Secret": {"Type": "AWS::SecretsManager::Secret", "Properties": {"SecretString": "old"}},
        "Schedule": {
            "Type": "AWS::SecretsManager::RotationSchedule",
            "Properties": {
                "SecretId": {"Ref": "Secret"},
                "RotationLambdaARN": function,
                "RotationRules": WEEKLY,
                **properties,
            },
        },
    }


def test_a_schedule_rotates_on_creation_and_is_cancelled_on_removal(
    aws: Emulator, function: str
) -> None:
    stack = unique("stack")
    found = outputs(deploy(aws, stack, schedule(function)))
    arn = found["SecretRef"]
    assert found["ScheduleRef"] == arn
    rotated(aws, arn)
    assert value(aws, arn) == "new"
    first = describe(aws, arn)["VersionIdsToStages"]
    # Only a change of the schedule rotates again.
    changed = schedule(function)
    changed["Secret"]["Properties"]["Description"] = "changed"
    deploy(aws, stack, changed)
    assert describe(aws, arn)["VersionIdsToStages"] == first
    daily = {"ScheduleExpression": "rate(1 day)"}
    deploy(aws, stack, schedule(function, RotationRules=daily))
    wait_for(lambda: attempts(aws, function, "finishSecret") == 2)
    wait_for(lambda: describe(aws, arn)["VersionIdsToStages"] != first)
    assert describe(aws, arn)["RotationRules"] == daily
    resources = schedule(function)
    del resources["Schedule"]
    deploy(aws, stack, resources)
    assert describe(aws, arn)["RotationEnabled"] is False
    delete_stack(aws, stack)
    with refused("ResourceNotFoundException"):
        describe(aws, arn)


def test_a_schedule_can_leave_the_rotation_for_later(aws: Emulator, function: str) -> None:
    stack = unique("stack")
    later = schedule(function, RotateImmediatelyOnUpdate=False)
    arn = outputs(deploy(aws, stack, later))["SecretRef"]
    wait_for(lambda: steps(aws, function))
    assert [one[0] for one in steps(aws, function)] == ["testSecret"]
    assert value(aws, arn) == "old"
    delete_stack(aws, stack)


def test_a_schedule_whose_function_may_not_be_invoked_fails(aws: Emulator) -> None:
    stack = unique("stack")
    deploy(aws, stack, schedule(create_function(aws, ROTATING)))
    assert settle(aws, stack)["StackStatus"] == "ROLLBACK_COMPLETE"
    assert "Secrets Manager cannot invoke" in failure_reasons(aws, stack)
    delete_stack(aws, stack)


def test_a_failing_rotation_does_not_fail_the_stack(aws: Emulator) -> None:
    function = create_function(aws, "def handler(event, context): raise RuntimeError('no')")
    permit(aws, function)
    stack = unique("stack")
    assert deploy(aws, stack, schedule(function))["StackStatus"] == "CREATE_COMPLETE"
    delete_stack(aws, stack)

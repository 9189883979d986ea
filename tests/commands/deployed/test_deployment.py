from __future__ import annotations

from typing import Any

import pytest

from openreplay_cw_stack.commands.deployed.deployment import (
    find_deployment,
    find_deployments,
    require_validator,
    variable,
)
from openreplay_cw_stack.commands.deployed.stack import Resource
from openreplay_cw_stack.commands.errors import CommandFailed
from tests.commands.support import (
    account,
    configuration,
    refusal,
    resource,
    stack,
)

FUNCTION = "AWS::Lambda::Function"


def lambda_of(**functions: Any) -> dict[str, Any]:
    def get(*, FunctionName: str) -> Any:  # noqa: N803
        found = functions.get(FunctionName)
        if found is None:
            raise refusal("GetFunctionConfiguration", "ResourceNotFoundException")
        if isinstance(found, Exception):
            raise found
        return found

    return {"get_function_configuration": get}


def test_functions_of_the_package_are_known_by_their_handler() -> None:
    functions = lambda_of(
        validator=configuration("validator"),
        bridge=configuration("bridge"),
        rotation=configuration("rotation"),
        staff=configuration("validator", "Staff"),
        checkout={"Handler": "index.handler"},
        image={},
    )
    shop = stack(
        *(
            Resource(f"{name.title()}Function0A1B2C3D", name, FUNCTION)
            for name in ("checkout", "validator", "bridge", "rotation", "staff", "image", "gone")
        ),
        Resource("FailedFunction0A1B2C3D", "", FUNCTION),
    )
    one, two = find_deployments(account(lambda_=functions), shop)
    assert (one.name, sorted(one.functions)) == ("Shop", ["bridge", "rotation", "validator"])
    assert one.functions["bridge"].role == "bridge-role"
    assert (two.name, sorted(two.functions), two.alone) == ("Staff", ["validator"], False)
    (only,) = find_deployments(account(lambda_=functions), shop, "Staff")
    assert only == two
    with pytest.raises(CommandFailed, match="has no deployment X: it has Shop, Staff"):
        find_deployments(account(lambda_=functions), shop, "X")


def test_a_command_for_one_deployment_wants_one() -> None:
    functions = lambda_of(one=configuration("validator"), two=configuration("bridge", "Staff"))
    of = account(lambda_=functions)
    shop = stack(*(Resource(f"{name}Function0A1B2C3D", name, FUNCTION) for name in ("one", "two")))
    with pytest.raises(CommandFailed, match=r"several deployments: .* \(Shop, Staff\)"):
        find_deployment(of, shop, None)
    assert variable(require_validator(find_deployment(of, shop, "Shop")), "DEPLOYMENT") == "Shop"
    with pytest.raises(CommandFailed, match="Staff has no validator"):
        require_validator(find_deployment(of, shop, "Staff"))
    with pytest.raises(CommandFailed, match="validator has no NOTHING"):
        variable(require_validator(find_deployment(of, shop, "Shop")), "NOTHING")


def test_a_stack_without_any_names_its_nested_stacks() -> None:
    nested = Resource(
        "Inner",
        "arn:aws:cloudformation:eu-west-1:1:stack/Shop-Inner-X/uuid",
        "AWS::CloudFormation::Stack",
    )
    with pytest.raises(CommandFailed, match="give that one: Shop-Inner-X"):
        find_deployments(account(lambda_={}), stack(nested))
    with pytest.raises(CommandFailed, match="check the name"):
        find_deployments(account(lambda_={}), stack())


def test_functions_that_may_not_be_read() -> None:
    functions = lambda_of(validator=refusal("GetFunctionConfiguration"))
    shop = stack(resource("ValidatorFunction", "validator", FUNCTION))
    with pytest.raises(CommandFailed, match="cannot read the function validator"):
        find_deployments(account(lambda_=functions), shop)

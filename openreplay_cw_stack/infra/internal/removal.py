"""The removal policy of resources that hold lines."""

from __future__ import annotations

import aws_cdk as cdk


def kept_once_deployed(policy: cdk.RemovalPolicy) -> cdk.RemovalPolicy:
    """Return the policy to apply: with RETAIN, a failed first deployment leaves no resources.

    CloudFormation User Guide, "DeletionPolicy attribute": ``RetainExceptOnCreate`` deletes the
    resource if the operation that creates it is rolled back, and retains it otherwise. A retained
    log group makes the next attempt fail, since its name is taken.
    """
    if policy is cdk.RemovalPolicy.RETAIN:
        return cdk.RemovalPolicy.RETAIN_ON_UPDATE_OR_DELETE
    return policy

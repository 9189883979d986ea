"""Unattended registration of the bridge's address and keys with OpenReplay projects."""

from __future__ import annotations

from collections.abc import Sequence

import aws_cdk as cdk
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_logs as logs
from constructs import Construct, IDependable

from openreplay_cw_stack.contract import metrics as names
from openreplay_cw_stack.contract.limits import REGISTRATION_TIMEOUT_SECONDS
from openreplay_cw_stack.infra.internal.lambda_function import (
    acknowledge_no_queue,
    function_role,
    lambda_function,
    own_log_group,
)
from openreplay_cw_stack.infra.internal.schedules import invoke_each_hour
from openreplay_cw_stack.infra.internal.secrets import readable_arn, tagging_statement
from openreplay_cw_stack.infra.observability.metrics import deployment_metric
from openreplay_cw_stack.infra.open_replay_project import (
    OpenReplayProject,
    projects_by_openreplay,
)
from openreplay_cw_stack.infra.session_search_bridge import SessionSearchBridge
from openreplay_cw_stack.runtime.registration.settings import Settings, projects_to_text

_TIMEOUT = cdk.Duration.seconds(REGISTRATION_TIMEOUT_SECONDS)
_NOBODY_FLOODS = (
    "Only a schedule, deployments and rotations invoke it: nothing outside the account can use up "
    "its concurrency"
)


class ProjectRegistrations(Construct):
    """Registers the bridge with projects, with one function for each OpenReplay instance.

    Each login ends the member's other sessions, and OpenReplay limits the rate of a member's
    requests. So one function registers the projects of an instance one after the other.

    Attributes:
        functions: the functions by the host of their OpenReplay instance.
        projects: the projects.
        log_groups: the functions' own log groups. They never hold a key or a login.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        projects: Sequence[OpenReplayProject],
        deployment: str,
        bridge: SessionSearchBridge,
        encryption_key: kms.IKey | None = None,
    ) -> None:
        """Create a function for each OpenReplay instance, and one that runs them on deployments.

        Args:
            scope: the parent construct.
            construct_id: the id under it.
            projects: the projects.
            deployment: the value of the metric dimension ``Deployment``.
            bridge: the bridge to register.
            encryption_key: encrypts the functions' own log groups and the key's secret.

        Raises:
            ValueError: the projects of one OpenReplay instance differ in their address or VPC.
        """
        by_openreplay = projects_by_openreplay(projects)
        super().__init__(scope, construct_id)
        self.projects = tuple(projects)
        self.functions: dict[str, lambda_.Function] = {}
        self.log_groups: list[logs.LogGroup] = []
        self._resources: list[cdk.CustomResource] = []
        self._bridge = bridge
        self._deployment, self._encryption_key = deployment, encryption_key
        self._follower = self._follow_deployments()
        for host, of_host in by_openreplay.items():
            self._register(host, of_host)

    @property
    def function_names(self) -> tuple[str, ...]:
        """The names of the functions that register projects."""
        return tuple(function.function_name for function in self.functions.values())

    @property
    def project_names(self) -> tuple[str, ...]:
        """The names of the projects."""
        return tuple(project.name for project in self.projects)

    @property
    def every_function(self) -> list[lambda_.Function]:
        """The functions that register projects, and the one that runs them on deployments."""
        return [self._follower, *self.functions.values()]

    def register_after(self, dependency: IDependable) -> None:
        """Register projects only after another resource is deployed."""
        for resource in self._resources:
            resource.node.add_dependency(dependency)

    def _follow_deployments(self) -> lambda_.Function:
        scope = Construct(self, "Deployments")
        function = lambda_function(
            scope,
            package="registration",
            module="deployment",
            description="Runs the registrations of a deployment, for CloudFormation",
            log_group=self._own_log_group(scope),
            statements=[],
            environment={},
            memory_size=256,
            timeout=_TIMEOUT.plus(cdk.Duration.seconds(30)),
            concurrency=None,
            nothing_reserved=_NOBODY_FLOODS,
            no_network="It calls the public endpoint of AWS Lambda and answers CloudFormation; in "
            "a VPC without Internet access CloudFormation would wait an hour for the answer",
        )
        acknowledge_no_queue(function)
        return function

    def _own_log_group(self, scope: Construct) -> logs.LogGroup:
        log_group = own_log_group(scope, self._encryption_key)
        self.log_groups.append(log_group)
        return log_group

    def metric_failed(self, *, period: cdk.Duration | None = None) -> cloudwatch.Metric:
        """Return the metric of failed registrations: a sum, over five minutes by default."""
        return deployment_metric(self._deployment, names.FAILED_REGISTRATIONS, period=period)

    def _register(self, host: str, projects: Sequence[OpenReplayProject]) -> None:
        scope = Construct(self, host)
        first, key_secret = projects[0], self._bridge.secret
        settings = Settings(
            deployment=self._deployment,
            url=first.url,
            projects=_numbers_by_login(projects),
            replaced=frozenset(one.project_id for one in projects if one.replace_integration),
            insecure=any(one.insecure for one in projects),
            key_secret_arn=key_secret.secret_arn,
            bridge_url=self._bridge.url,
        )
        function = lambda_function(
            scope,
            package="registration",
            description=f"Registers the bridge with the projects of {host}",
            log_group=self._own_log_group(scope),
            statements=self._statements(projects),
            environment=settings.to_environment(),
            memory_size=256,
            timeout=_TIMEOUT,
            concurrency=None,
            nothing_reserved=_NOBODY_FLOODS,
            no_network=None
            if first.vpc
            else "It calls Secrets Manager and OpenReplay over TLS, accepts no connection, and "
            "reaches nothing in a VPC; vpc= puts it into one",
            vpc=first.vpc,
        )
        acknowledge_no_queue(function)
        self.functions[host] = function
        invoke_each_hour(scope, function, f"Registers a new key with the projects of {host}")
        # A separate policy, which exists until the registrations are removed.
        may_run = iam.ManagedPolicy(
            scope,
            "MayRun",
            roles=[function_role(self._follower)],
            statements=[
                iam.PolicyStatement(
                    sid="RunTheRegistration",
                    actions=["lambda:InvokeFunction"],
                    resources=[function.function_arn],
                )
            ],
        )
        resource = cdk.CustomResource(
            scope,
            "Registration",
            resource_type="Custom::OpenReplayProjects",
            service_token=self._follower.function_arn,
            service_timeout=cdk.Duration.minutes(5),
            # A change to any of these registers the projects again.
            properties={
                "OpenReplay": host,
                "FunctionName": function.function_name,
                "Url": first.url,
                "Projects": projects_to_text(settings.projects),
                "Replaced": sorted(settings.replaced),
                "KeySecret": key_secret.secret_arn,
                "Bridge": self._bridge.url,
            },
        )
        # The bridge can answer only when its routes, stage and permissions exist.
        resource.node.add_dependency(may_run, function, key_secret, self._bridge)
        if first.vpc is not None:
            # A VPC of the same stack keeps its Internet access until the projects are removed.
            way_out = first.vpc.select_subnets().internet_connectivity_established
            resource.node.add_dependency(way_out)
        self._resources.append(resource)

    def _statements(self, projects: Sequence[OpenReplayProject]) -> list[iam.PolicyStatement]:
        key_secret = self._bridge.secret
        logins = [project.login_secret for project in projects]
        statements = [
            iam.PolicyStatement(
                sid="ReadTheLogins",
                actions=["secretsmanager:GetSecretValue"],
                resources=list(dict.fromkeys(map(readable_arn, logins))),
            ),
            iam.PolicyStatement(
                sid="ReadTheKey",
                actions=["secretsmanager:DescribeSecret", "secretsmanager:GetSecretValue"],
                resources=[key_secret.secret_arn],
            ),
            tagging_statement([key_secret.secret_arn], and_untag=True),
        ]
        keys = [self._encryption_key, *(login.encryption_key for login in logins)]
        key_arns = list(dict.fromkeys(key.key_arn for key in keys if key))
        if key_arns:
            statements.append(
                iam.PolicyStatement(sid="UseTheKeys", actions=["kms:Decrypt"], resources=key_arns)
            )
        return statements


def _numbers_by_login(projects: Sequence[OpenReplayProject]) -> dict[str, tuple[int, ...]]:
    numbers: dict[str, tuple[int, ...]] = {}
    for project in projects:
        login = project.login_secret.secret_arn
        numbers[login] = (*numbers.get(login, ()), project.project_id)
    return numbers

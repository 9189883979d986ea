"""Unattended registration: each OpenReplay project is told of the deployment and of new keys."""

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
    lambda_function,
    own_log_group,
    role_of,
)
from openreplay_cw_stack.infra.internal.schedules import invoke_each_hour
from openreplay_cw_stack.infra.internal.secrets import arn_to_read, let_tag
from openreplay_cw_stack.infra.observability.metrics import metric_of
from openreplay_cw_stack.infra.open_replay_project import OpenReplayProject
from openreplay_cw_stack.infra.session_search_bridge import SessionSearchBridge
from openreplay_cw_stack.runtime.registration.settings import Settings

# Six requests of at most 20 seconds each, and slack.
_TIMEOUT = cdk.Duration.seconds(REGISTRATION_TIMEOUT_SECONDS)
_NOBODY_FLOODS = (
    "It is invoked by a schedule, by deployments and after rotations only: nothing outside the "
    "account can use up concurrency with it"
)


class ProjectRegistrations(Construct):
    """Tells OpenReplay projects.

    Attributes:
        functions: by the project's name.
        projects: the projects.
        log_groups: the functions' own. None holds a key or a login.
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
        """Make a function for each project, and one that follows deployments.

        Args:
            scope: the parent construct.
            construct_id: the id under it.
            projects: whom to tell.
            deployment: the value of the metric dimension of that name.
            bridge: what they are told of.
            encryption_key: encrypts the functions' own log groups and the key's secret.
        """
        super().__init__(scope, construct_id)
        self.projects = tuple(projects)
        self.functions: dict[str, lambda_.Function] = {}
        self.log_groups: list[logs.LogGroup] = []
        self._resources: list[cdk.CustomResource] = []
        self._bridge = bridge
        self._deployment, self._encryption_key = deployment, encryption_key
        self._follower = self._follow_deployments()
        for project in projects:
            self._register(project)

    @property
    def function_names(self) -> tuple[str, ...]:
        """The names of the projects' functions."""
        return tuple(function.function_name for function in self.functions.values())

    @property
    def every_function(self) -> list[lambda_.Function]:
        """The projects' functions, and the one that follows deployments."""
        return [self._follower, *self.functions.values()]

    def register_after(self, dependency: IDependable) -> None:
        """Register once something else is deployed."""
        for resource in self._resources:
            resource.node.add_dependency(dependency)

    def _follow_deployments(self) -> lambda_.Function:
        scope = Construct(self, "Deployments")
        function = lambda_function(
            scope,
            room="registration",
            module="deployment",
            description="Tells OpenReplay of deployments, for CloudFormation",
            log_group=self._own_log_group(scope),
            statements=[],
            environment={},
            memory_size=256,
            timeout=_TIMEOUT.plus(cdk.Duration.seconds(30)),
            concurrency=None,
            nothing_reserved=_NOBODY_FLOODS,
            no_network="It calls the public endpoint of AWS Lambda and answers CloudFormation; in "
            "a VPC without a way out the answer would be missed for an hour",
        )
        acknowledge_no_queue(function)
        return function

    def _own_log_group(self, scope: Construct) -> logs.LogGroup:
        log_group = own_log_group(scope, self._encryption_key)
        self.log_groups.append(log_group)
        return log_group

    def metric_failed(self, *, period: cdk.Duration | None = None) -> cloudwatch.Metric:
        """How often a project could not be told; a sum over five minutes by default."""
        return metric_of(self._deployment, names.FAILED_REGISTRATIONS, period=period)

    def _register(self, project: OpenReplayProject) -> None:
        scope = Construct(self, project.name.replace("/", "-"))
        key_secret = self._bridge.secret
        function = lambda_function(
            scope,
            room="registration",
            description=f"Tells the OpenReplay project {project.name} the current key",
            log_group=self._own_log_group(scope),
            statements=self._statements(project),
            environment=Settings(
                deployment=self._deployment,
                url=project.url,
                project_id=project.project_id,
                insecure=project.insecure,
                login_secret_arn=project.login_secret.secret_arn,
                key_secret_arn=key_secret.secret_arn,
                bridge_url=self._bridge.url,
            ).to_environment(),
            memory_size=256,
            timeout=_TIMEOUT,
            concurrency=None,
            nothing_reserved=_NOBODY_FLOODS,
            no_network=None
            if project.vpc
            else "It calls Secrets Manager and OpenReplay over TLS, accepts no connection, and "
            "reaches nothing in a VPC; vpc= puts it into one",
            vpc=project.vpc,
        )
        acknowledge_no_queue(function)
        self.functions[project.name] = function
        invoke_each_hour(scope, function, f"Has {project.name} told what it was not told yet")
        # Its own policy, which is there until CloudFormation has had the project removed.
        may_run = iam.ManagedPolicy(
            scope,
            "MayRun",
            roles=[role_of(self._follower)],
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
            resource_type="Custom::OpenReplayProject",
            service_token=self._follower.function_arn,
            service_timeout=cdk.Duration.minutes(5),
            # A change of any of these registers the project anew.
            properties={
                "Project": project.name,
                "FunctionName": function.function_name,
                "Url": project.url,
                "LoginSecret": project.login_secret.secret_arn,
                "KeySecret": key_secret.secret_arn,
                "Bridge": self._bridge.url,
            },
        )
        # The project is told once the bridge answers: with its routes, stage and permissions.
        resource.node.add_dependency(may_run, function, key_secret, self._bridge)
        if project.vpc is not None:
            # A VPC of the same stack has its way out before, and until the project is removed.
            way_out = project.vpc.select_subnets().internet_connectivity_established
            resource.node.add_dependency(way_out)
        self._resources.append(resource)

    def _statements(self, project: OpenReplayProject) -> list[iam.PolicyStatement]:
        key_secret = self._bridge.secret
        statements = [
            iam.PolicyStatement(
                sid="ReadTheLogin",
                actions=["secretsmanager:GetSecretValue"],
                resources=[arn_to_read(project.login_secret)],
            ),
            iam.PolicyStatement(
                sid="ReadTheKey",
                actions=["secretsmanager:DescribeSecret", "secretsmanager:GetSecretValue"],
                resources=[key_secret.secret_arn],
            ),
            let_tag([key_secret.secret_arn]),
        ]
        keys = [self._encryption_key, project.login_secret.encryption_key]
        key_arns = list(dict.fromkeys(key.key_arn for key in keys if key))
        if key_arns:
            statements.append(
                iam.PolicyStatement(sid="UseTheKeys", actions=["kms:Decrypt"], resources=key_arns)
            )
        return statements

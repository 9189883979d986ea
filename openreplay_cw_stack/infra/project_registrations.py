"""Unattended registration: each OpenReplay project is told of the deployment and of new keys."""

from __future__ import annotations

from collections.abc import Sequence

import aws_cdk as cdk
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_logs as logs
from aws_cdk import aws_secretsmanager as secretsmanager
from constructs import Construct, IDependable

from openreplay_cw_stack.infra.lambda_function import (
    acknowledge_no_queue,
    lambda_function,
    own_log_group,
    role_of,
)
from openreplay_cw_stack.infra.metrics import metric_of
from openreplay_cw_stack.infra.open_replay_project import OpenReplayProject
from openreplay_cw_stack.infra.schedules import invoke_each_hour
from openreplay_cw_stack.infra.secrets import arn_to_read, let_tag
from openreplay_cw_stack.infra.service_account import ServiceAccount
from openreplay_cw_stack.infra.session_search_bridge import SessionSearchBridge
from openreplay_cw_stack.tagging import metrics as names

# Six requests of at most 20 seconds each, and 40 for an access key that does not work yet.
_TIMEOUT = cdk.Duration.seconds(180)
MOST_PROJECTS = 25
"""Projects of one deployment. The names of their log groups stand in the validator's environment,
for which AWS Lambda has 4 KB ("Lambda quotas"), and a secret has 50 tags."""
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
        bridge: SessionSearchBridge | None,
        service_account: ServiceAccount | None,
        encryption_key: kms.IKey | None = None,
    ) -> None:
        """Make a function for each project, and one that follows deployments.

        Args:
            scope: the parent construct.
            construct_id: the id under it.
            projects: whom to tell.
            deployment: the value of the metric dimension of that name.
            bridge: what they are told of.
            service_account: whose key those with ``cloud_watch`` are told.
            encryption_key: encrypts the functions' own log groups and the keys' secrets.

        Raises:
            ValueError: a project cannot be registered, stands there twice, or there is nothing to
                tell it.
        """
        _check(projects, bridge, service_account)
        super().__init__(scope, construct_id)
        self.projects = tuple(projects)
        self.functions: dict[str, lambda_.Function] = {}
        self.log_groups: list[logs.LogGroup] = []
        self._resources: list[cdk.CustomResource] = []
        self._bridge, self._service_account = bridge, service_account
        self._deployment, self._encryption_key = deployment, encryption_key
        self._follower = self._follow_deployments()
        for project in projects:
            self._register(project)

    def names(self, *, cloud_watch: bool) -> list[str]:
        """The names of the projects that are told the one key, or the other."""
        return [one.name for one in self.projects if one.cloud_watch is cloud_watch]

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
            reserved_concurrency=None,
            nothing_reserved=_NOBODY_FLOODS,
            no_network="It calls the public endpoint of AWS Lambda and answers CloudFormation; in "
            "a VPC without a way out the answer would be missed for an hour",
        )
        acknowledge_no_queue(function)
        return function

    def _own_log_group(self, scope: Construct) -> logs.LogGroup:
        log_group = own_log_group(scope, logs.RetentionDays.TWO_WEEKS, self._encryption_key)
        self.log_groups.append(log_group)
        return log_group

    def metric_failed(self, *, period: cdk.Duration | None = None) -> cloudwatch.Metric:
        """How often a project could not be told; a sum over five minutes by default."""
        return metric_of(self._deployment, names.FAILED_REGISTRATIONS, period=period)

    def _register(self, project: OpenReplayProject) -> None:
        scope = Construct(self, project.name.replace("/", "-"))
        key_secret = self._key_secret(project)
        function = lambda_function(
            scope,
            room="registration",
            description=f"Tells the OpenReplay project {project.name} the current key",
            log_group=self._own_log_group(scope),
            statements=self._statements(project, key_secret),
            environment={
                "DEPLOYMENT": self._deployment,
                "OPENREPLAY_URL": project.url,
                "PROJECT_ID": str(project.project_id),
                "INSECURE": str(project.insecure).lower(),
                "LOGIN_SECRET_ARN": project.login_secret.secret_arn,
                "KEY_SECRET_ARN": key_secret.secret_arn,
                "BRIDGE_URL": "" if project.cloud_watch or not self._bridge else self._bridge.url,
                "FORCE": str(project.force).lower(),
            },
            memory_size=256,
            timeout=_TIMEOUT,
            reserved_concurrency=None,
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
                "Bridge": "" if project.cloud_watch or not self._bridge else self._bridge.url,
            },
        )
        resource.node.add_dependency(may_run, function, key_secret)
        if project.vpc is not None:
            # A VPC of the same stack has its way out before, and until the project is removed.
            way_out = project.vpc.select_subnets().internet_connectivity_established
            resource.node.add_dependency(way_out)
        self._resources.append(resource)

    def _key_secret(self, project: OpenReplayProject) -> secretsmanager.ISecret:
        holder = self._service_account if project.cloud_watch else self._bridge
        assert holder is not None  # noqa: S101
        return holder.secret

    def _statements(
        self, project: OpenReplayProject, key_secret: secretsmanager.ISecret
    ) -> list[iam.PolicyStatement]:
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


def _check(
    projects: Sequence[OpenReplayProject],
    bridge: SessionSearchBridge | None,
    service_account: ServiceAccount | None,
) -> None:
    given = [project.name for project in projects]
    if len(given) > MOST_PROJECTS:
        raise ValueError(
            f"openreplay_projects has {len(given)} projects, and a deployment tells "
            f"{MOST_PROJECTS} at most: make another deployment for the others"
        )
    for project in projects:
        project.check()
        if given.count(project.name) > 1:
            raise ValueError(f"the project {project.name} stands in openreplay_projects twice")
        if project.cloud_watch and service_account is None:
            raise ValueError(
                f"the project {project.name} is to be told the service account's key, and "
                "service_account is False"
            )
        if not project.cloud_watch and bridge is None:
            raise ValueError(
                f"the project {project.name} is to be told of the bridge, and bridge is False"
            )

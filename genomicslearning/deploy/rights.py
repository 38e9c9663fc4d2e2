"""What each role of a deployment calls, as questions that IAM's simulation can answer.

`RECORDED` is what the roles were recorded to call in an emulated account from the first deployment to the last
prediction: tests/aws holds it to the record, in both directions. `DOCUMENTED` is what AWS's services call by themselves
under a role, which no emulator shows.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

#: The service that assumes each role.
SERVICES = {
    "cloudformation": "cloudformation.amazonaws.com",
    "codebuild": "codebuild.amazonaws.com",
    "codepipeline": "codepipeline.amazonaws.com",
    "source-event": "events.amazonaws.com",
    "job": "glue.amazonaws.com",
    "runbook": "sagemaker.amazonaws.com",
}

_SAGEMAKER = "arn:{partition}:sagemaker:{region}:{account}"
_GLUE = "arn:{partition}:glue:{region}:{account}"
_LOGS = "arn:{partition}:logs:{region}:{account}:log-group"
_ROLE = "arn:{partition}:iam::{account}:role/{lower}"
_LAKE = "arn:{partition}:s3:::{lower}-datalake-{account}-{region}"
_RESOURCES = "arn:{partition}:s3:::{lower}-resources-{account}-{region}"
_ARTIFACTS = "arn:{partition}:s3:::{lower}-build-{account}-{region}"
_CODE = "arn:{partition}:cloudformation:{region}:{account}:stack/{project}Code/*"
_PIPELINE = "arn:{partition}:codepipeline:{region}:{account}:{lower}-pipeline"
_REPOSITORY = "arn:{partition}:codecommit:{region}:{account}:{lower}-code"
_WORKGROUP = "arn:{partition}:athena:{region}:{account}:workgroup/{lower}"
_MAKE_ROLE = "iam:CreateRole iam:PutRolePolicy iam:ListRolePolicies iam:DeleteRolePolicy iam:DeleteRole iam:PassRole"

#: Role -> resource -> the actions on it. In a resource, `*` stands for a name that is made as it goes.
RECORDED = {
    "cloudformation": {
        "*": "glue:CreateCrawler",
        f"{_GLUE}:job/{{lower}}-*": "glue:CreateJob glue:DeleteJob glue:TagResource",
        f"{_GLUE}:crawler/{{lower}}-*": "glue:DeleteCrawler glue:TagResource",
        f"{_GLUE}:database/{{lower}}": "glue:CreateDatabase glue:DeleteDatabase",
        f"{_GLUE}:table/{{lower}}/clinvar_conflicting": "glue:CreateTable glue:DeleteTable",
        f"{_SAGEMAKER}:notebook-instance/{{lower}}-notebook":
            "sagemaker:CreateNotebookInstance sagemaker:DescribeNotebookInstance sagemaker:StopNotebookInstance "
            "sagemaker:DeleteNotebookInstance sagemaker:AddTags",
        f"{_SAGEMAKER}:notebook-instance-lifecycle-config/{{lower}}-notebook":
            "sagemaker:CreateNotebookInstanceLifecycleConfig sagemaker:DeleteNotebookInstanceLifecycleConfig",
        _WORKGROUP: "athena:CreateWorkGroup athena:CreateNamedQuery athena:DeleteWorkGroup athena:TagResource",
        "arn:{partition}:budgets::{account}:budget/{lower}-monthly": "budgets:ModifyBudget",
        f"{_LOGS}:/aws-glue/jobs/{{lower}}/*": "logs:CreateLogGroup logs:PutRetentionPolicy logs:DeleteLogGroup",
        f"{_ROLE}-job-{{region}}": _MAKE_ROLE,
        f"{_ROLE}-runbook-{{region}}": _MAKE_ROLE,
    },
    "codebuild": {
        f"{_RESOURCES}/*": "s3:PutObject",
        _RESOURCES: "s3:ListBucket",
    },
    "codepipeline": {
        f"{_ARTIFACTS}/*": "s3:GetObject s3:PutObject",
        _REPOSITORY: "codecommit:GetBranch",
        _CODE: "cloudformation:CreateStack cloudformation:DescribeStacks",
        f"{_ROLE}-cloudformation-{{region}}": "iam:PassRole",
    },
    "source-event": {_PIPELINE: "codepipeline:StartPipelineExecution"},
    "job": {
        f"{_LAKE}/annotation/*": "s3:GetObject s3:PutObject",
        f"{_LAKE}/temporary/*": "s3:GetObject s3:PutObject",
        _LAKE: "s3:ListBucket",
        f"{_RESOURCES}/*": "s3:GetObject",
        f"{_LOGS}:/aws-glue/jobs/{{lower}}/output:log-stream:*": "logs:CreateLogStream logs:PutLogEvents",
        f"{_LOGS}:/aws-glue/jobs/{{lower}}/error:log-stream:*": "logs:CreateLogStream logs:PutLogEvents",
        f"{_GLUE}:crawler/{{lower}}-vcf": "glue:StartCrawler",
        f"{_GLUE}:crawler/{{lower}}-tsv": "glue:StartCrawler",
    },
    "runbook": {
        f"{_LAKE}/*": "s3:GetObject s3:PutObject s3:DeleteObject",
        _LAKE: "s3:ListBucket",
        _CODE: "cloudformation:DescribeStacks",
        f"{_GLUE}:job/{{lower}}-create-training-set": "glue:StartJobRun glue:GetJobRun glue:GetJobRuns",
        f"{_LOGS}:/aws-glue/jobs/{{lower}}/output:log-stream:*": "logs:DescribeLogStreams logs:GetLogEvents",
        f"{_LOGS}:/aws-glue/jobs/{{lower}}/error:log-stream:*": "logs:DescribeLogStreams logs:GetLogEvents",
        "*": "sagemaker:ListEndpoints sagemaker:ListModels sagemaker:ListEndpointConfigs sagemaker:ListAutoMLJobs "
            "sagemaker:ListTransformJobs sagemaker:ListCandidatesForAutoMLJob",
        f"{_SAGEMAKER}:automl-job/{{lower}}-*":
            "sagemaker:CreateAutoMLJobV2 sagemaker:DescribeAutoMLJobV2 sagemaker:AddTags",
        f"{_SAGEMAKER}:transform-job/{{lower}}-*":
            "sagemaker:CreateTransformJob sagemaker:DescribeTransformJob sagemaker:StopTransformJob sagemaker:AddTags",
        f"{_SAGEMAKER}:model/{{lower}}-*":
            "sagemaker:CreateModel sagemaker:DescribeModel sagemaker:DeleteModel sagemaker:AddTags sagemaker:ListTags",
        f"{_SAGEMAKER}:endpoint/{{lower}}-*":
            "sagemaker:CreateEndpoint sagemaker:DescribeEndpoint sagemaker:DeleteEndpoint sagemaker:InvokeEndpoint "
            "sagemaker:AddTags sagemaker:ListTags",
        f"{_SAGEMAKER}:endpoint-config/{{lower}}-*":
            "sagemaker:CreateEndpointConfig sagemaker:DescribeEndpointConfig sagemaker:DeleteEndpointConfig "
            "sagemaker:AddTags sagemaker:ListTags",
        f"{_ROLE}-runbook-{{region}}": "iam:PassRole",
    },
}  # fmt: skip

#: Role -> resource -> the actions on it, and why they are asked although no record has them.
DOCUMENTED = {
    "cloudformation": {
        "*": ("logs:DescribeLogGroups", "handlers of AWS::Logs::LogGroup"),
        f"{_GLUE}:job/{{lower}}-*": ("glue:GetJob glue:UpdateJob", "handlers of AWS::Glue::Job"),
        f"{_GLUE}:crawler/{{lower}}-*": ("glue:GetCrawler glue:UpdateCrawler", "handlers of AWS::Glue::Crawler"),
        f"{_SAGEMAKER}:notebook-instance-lifecycle-config/{{lower}}-notebook": (
            "sagemaker:AddTags sagemaker:ListTags", "handlers of AWS::SageMaker::NotebookInstanceLifecycleConfig"),
        _WORKGROUP: ("athena:DeleteNamedQuery", "handlers of AWS::Athena::NamedQuery; the emulator has none"),
    },
    "codebuild": {
        f"{_ARTIFACTS}/*": ("s3:GetObject s3:PutObject", "the build's source and artifact, CodeBuild's service role"),
        f"{_LOGS}:/aws/codebuild/{{lower}}-build:log-stream:*": (
            "logs:CreateLogStream logs:PutLogEvents", "the build's log, CodeBuild's service role"),
    },
    "codepipeline": {
        "arn:{partition}:codebuild:{region}:{account}:project/{lower}-build": (
            "codebuild:StartBuild codebuild:BatchGetBuilds", "CodeBuild action, CodePipeline's service role"),
        _REPOSITORY: ("codecommit:GetCommit codecommit:UploadArchive codecommit:GetUploadArchiveStatus",
                      "CodeCommit action, CodePipeline's service role"),
        _CODE: ("cloudformation:UpdateStack", "a push where the stack is there already"),
    },
    "source-event": {},
    "job": {
        f"{_LAKE}/annotation/*": ("s3:DeleteObject", "Spark replaces a folder; the emulator's Spark works on a copy"),
        f"{_LAKE}/temporary/*": ("s3:DeleteObject", "Spark removes what it staged; the emulator's works on a copy"),
        f"{_GLUE}:table/{{lower}}/*": ("glue:CreateTable glue:UpdateTable", "crawlers write the tables that they find"),
    },
    "runbook": {
        f"{_RESOURCES}/*": ("s3:GetObject", "the notebook instance's scripts"),
        f"{_SAGEMAKER}:notebook-instance/{{lower}}-notebook": (
            "sagemaker:DescribeNotebookInstance sagemaker:StopNotebookInstance", "the idle stop's script"),
        f"{_SAGEMAKER}:automl-job/{{lower}}-*": (
            "sagemaker:StopAutoMLJob sagemaker:ListTags", "an interrupted notebook; Autopilot reads its job's tags"),
        f"{_SAGEMAKER}:transform-job/{{lower}}-*": ("sagemaker:ListTags", "a list of what bills, while one runs"),
        f"{_SAGEMAKER}:training-job/{{lower}}-*": ("sagemaker:CreateTrainingJob", "Autopilot's own jobs"),
        f"{_SAGEMAKER}:processing-job/{{lower}}-*": ("sagemaker:CreateProcessingJob", "Autopilot's own jobs"),
        f"{_SAGEMAKER}:endpoint/sm-clarify-*": (
            "sagemaker:CreateEndpoint sagemaker:InvokeEndpoint sagemaker:ListTags", "Autopilot's explanations"),
        f"{_SAGEMAKER}:endpoint-config/sm-clarify-*": (
            "sagemaker:CreateEndpointConfig sagemaker:AddTags", "Autopilot's explanations"),
        _WORKGROUP: ("athena:StartQueryExecution athena:GetQueryExecution athena:GetQueryResults",
                     "who queries from a notebook"),
        "*": ("ecr:GetAuthorizationToken", "jobs pull their image"),
    },
}  # fmt: skip


class Question(NamedTuple):
    """Whether a role may do these actions on this resource, in a request that has this context."""

    actions: tuple[str, ...]
    resource: str
    context: dict[str, str]


def questions(role: str, *, boundary: str, **names: str) -> Iterator[Question]:
    """What to ask of a role.

    Parameters
    ----------
    role : a key of `RECORDED`.
    boundary : ARN of the run-time boundary, without which no role may be made.
    names : partition, region, account, project and lower, for the places in the resources.
    """
    listed = [(resource, actions) for resource, actions in RECORDED[role].items()]
    listed += [(resource, actions) for resource, (actions, _) in DOCUMENTED[role].items()]
    for resource, actions in listed:
        one = resource if resource == "*" else resource.format(**names).replace("*", "one")
        conditional = [action for action in actions.split() if action in _CONTEXT]
        if plain := tuple(action for action in actions.split() if action not in _CONTEXT):
            yield Question(plain, one, {})
        for action in conditional:
            key = _CONTEXT[action]
            yield Question((action,), one, {key: boundary if key == _BOUNDARY else _passed_to(resource)})


_BOUNDARY = "iam:PermissionsBoundary"
#: Actions that a policy allows under a condition, and the key that this asks for.
_CONTEXT = {"iam:CreateRole": _BOUNDARY, "iam:PutRolePolicy": _BOUNDARY, "iam:PassRole": "iam:PassedToService"}


def _passed_to(resource: str) -> str:
    return next(service for role, service in SERVICES.items() if resource == f"{_ROLE}-{role}-{{region}}")

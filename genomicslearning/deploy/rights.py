"""What each role of a deployment was recorded to call, as questions that IAM's simulation can answer.

The lists are the calls of the emulated account's record (a test compares them), beside those that AWS's services make
by themselves under a role, from their documentation.
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

#: Role -> resource -> the actions on it.
RIGHTS = {
    "cloudformation": {
        f"{_GLUE}:job/{{lower}}-create-training-set":
            "glue:CreateJob glue:UpdateJob glue:GetJob glue:DeleteJob glue:TagResource",
        "*": "glue:CreateCrawler logs:DescribeLogGroups",
        f"{_GLUE}:crawler/{{lower}}-vcf": "glue:DeleteCrawler glue:GetCrawler glue:TagResource",
        f"{_GLUE}:database/{{lower}}": "glue:CreateDatabase glue:DeleteDatabase",
        f"{_GLUE}:table/{{lower}}/clinvar_conflicting": "glue:CreateTable glue:DeleteTable",
        f"{_SAGEMAKER}:notebook-instance/{{lower}}-notebook":
            "sagemaker:CreateNotebookInstance sagemaker:DescribeNotebookInstance sagemaker:StopNotebookInstance "
            "sagemaker:DeleteNotebookInstance sagemaker:AddTags",
        f"{_SAGEMAKER}:notebook-instance-lifecycle-config/{{lower}}-notebook":
            "sagemaker:CreateNotebookInstanceLifecycleConfig sagemaker:DeleteNotebookInstanceLifecycleConfig "
            "sagemaker:AddTags sagemaker:ListTags",
        "arn:{partition}:athena:{region}:{account}:workgroup/{lower}":
            "athena:CreateWorkGroup athena:CreateNamedQuery athena:DeleteNamedQuery athena:DeleteWorkGroup "
            "athena:TagResource",
        f"{_LOGS}:/aws-glue/jobs/{{lower}}/output": "logs:CreateLogGroup logs:PutRetentionPolicy logs:DeleteLogGroup",
    },
    "codebuild": {
        f"{_ARTIFACTS}/artifact": "s3:GetObject s3:PutObject",
        f"{_RESOURCES}/version/file": "s3:PutObject",
        _RESOURCES: "s3:ListBucket",
        f"{_LOGS}:/aws/codebuild/{{lower}}-build:log-stream:one": "logs:CreateLogStream logs:PutLogEvents",
    },
    "codepipeline": {
        f"{_ARTIFACTS}/artifact": "s3:GetObject s3:PutObject",
        "arn:{partition}:codebuild:{region}:{account}:project/{lower}-build":
            "codebuild:StartBuild codebuild:BatchGetBuilds",
        _CODE: "cloudformation:CreateStack cloudformation:UpdateStack cloudformation:DescribeStacks",
        f"{_ROLE}-cloudformation-{{region}}": "iam:PassRole",
    },
    "source-event": {
        "arn:{partition}:codepipeline:{region}:{account}:{lower}-pipeline": "codepipeline:StartPipelineExecution",
    },
    "job": {
        f"{_LAKE}/annotation/clinvar/clinvar.vcf.gz": "s3:GetObject s3:PutObject s3:DeleteObject",
        f"{_LAKE}/temporary/one": "s3:GetObject s3:PutObject s3:DeleteObject",
        f"{_RESOURCES}/version/genomicslearning.zip": "s3:GetObject",
        _LAKE: "s3:ListBucket",
        f"{_LOGS}:/aws-glue/jobs/{{lower}}/output:log-stream:one": "logs:CreateLogStream logs:PutLogEvents",
        f"{_LOGS}:/aws-glue/jobs/{{lower}}/error:log-stream:one": "logs:CreateLogStream logs:PutLogEvents",
        f"{_GLUE}:crawler/{{lower}}-vcf": "glue:StartCrawler",
        f"{_GLUE}:table/{{lower}}/clinvar_vcf": "glue:CreateTable glue:UpdateTable",
    },
    "runbook": {
        f"{_LAKE}/annotation/clinvar/clinvar.vcf.gz": "s3:GetObject s3:PutObject s3:DeleteObject",
        _LAKE: "s3:ListBucket",
        f"{_RESOURCES}/version/wheelhouse.txt": "s3:GetObject",
        _CODE: "cloudformation:DescribeStacks",
        f"{_GLUE}:job/{{lower}}-create-training-set": "glue:StartJobRun glue:GetJobRun glue:GetJobRuns",
        f"{_LOGS}:/aws-glue/jobs/{{lower}}/output:log-stream:one": "logs:DescribeLogStreams logs:GetLogEvents",
        f"{_LOGS}:/aws-glue/jobs/{{lower}}/error:log-stream:one": "logs:DescribeLogStreams logs:GetLogEvents",
        "*": "sagemaker:ListEndpoints sagemaker:ListModels sagemaker:ListEndpointConfigs sagemaker:ListAutoMLJobs "
            "sagemaker:ListTransformJobs sagemaker:ListCandidatesForAutoMLJob ecr:GetAuthorizationToken",
        f"{_SAGEMAKER}:automl-job/{{lower}}-one":
            "sagemaker:CreateAutoMLJobV2 sagemaker:DescribeAutoMLJobV2 sagemaker:StopAutoMLJob sagemaker:AddTags "
            "sagemaker:ListTags",
        f"{_SAGEMAKER}:transform-job/{{lower}}-one":
            "sagemaker:CreateTransformJob sagemaker:DescribeTransformJob sagemaker:StopTransformJob sagemaker:ListTags",
        f"{_SAGEMAKER}:model/{{lower}}-one":
            "sagemaker:CreateModel sagemaker:DescribeModel sagemaker:DeleteModel sagemaker:AddTags sagemaker:ListTags",
        f"{_SAGEMAKER}:endpoint/{{lower}}-one":
            "sagemaker:CreateEndpoint sagemaker:DescribeEndpoint sagemaker:DeleteEndpoint sagemaker:InvokeEndpoint "
            "sagemaker:ListTags",
        f"{_SAGEMAKER}:endpoint-config/{{lower}}-one":
            "sagemaker:CreateEndpointConfig sagemaker:DescribeEndpointConfig sagemaker:DeleteEndpointConfig "
            "sagemaker:ListTags",
        f"{_SAGEMAKER}:endpoint/sm-clarify-one": "sagemaker:CreateEndpoint sagemaker:InvokeEndpoint sagemaker:ListTags",
        f"{_SAGEMAKER}:endpoint-config/sm-clarify-config-one": "sagemaker:CreateEndpointConfig sagemaker:AddTags",
        f"{_SAGEMAKER}:notebook-instance/{{lower}}-notebook":
            "sagemaker:DescribeNotebookInstance sagemaker:StopNotebookInstance",
        "arn:{partition}:athena:{region}:{account}:workgroup/{lower}":
            "athena:StartQueryExecution athena:GetQueryExecution athena:GetQueryResults",
        f"{_ROLE}-runbook-{{region}}": "iam:PassRole",
    },
}  # fmt: skip


class Question(NamedTuple):
    """Whether a role may do these actions on this resource; `passed_to` is the service for iam:PassRole."""

    actions: tuple[str, ...]
    resource: str
    passed_to: str


def questions(role: str, **names: str) -> Iterator[Question]:
    """What to ask of a role.

    Parameters
    ----------
    role : a key of `RIGHTS`.
    names : partition, region, account, project and lower, for the places in the resources.
    """
    for resource, actions in RIGHTS[role].items():
        passed_to = "sagemaker.amazonaws.com" if "-runbook-" in resource else "cloudformation.amazonaws.com"
        yield Question(tuple(actions.split()), resource.format(**names), passed_to)

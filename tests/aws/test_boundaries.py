"""What the two permissions boundaries let through at most, and what single roles may: from the templates alone."""

from __future__ import annotations

import policies
import pytest
from rights_asked import arn
from situations import NUMBER, SITUATIONS, Situation, Stack, role_documents

from genomicslearning.deploy import rights

REGION = "eu-west-1"
PLAIN = Situation("plain", "Lab")
EVERYTHING = [{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}]
LAKE, LOGS = f"arn:aws:s3:::lab-datalake-{NUMBER}-{REGION}", f"arn:aws:s3:::lab-logs-{NUMBER}-{REGION}"
OWN_ROLES = {role: f"arn:aws:iam::{NUMBER}:role/lab-{role}-{REGION}" for role in rights.RECORDED}


def boundary(kind: str, situation: Situation = PLAIN) -> dict:
    return Stack("zone", situation).resources[f"{kind}Boundary"]["Properties"]["PolicyDocument"]


def may(kind: str, action: str, resource: str, **context) -> bool:
    """With every right that a policy can give, within this boundary."""
    context = {key.replace("__", ":"): value for key, value in context.items()}
    return policies.decide(EVERYTHING, boundary(kind), action, resource, context)


IAM_WRITES = (
    "CreateRole", "DeleteRole", "PutRolePolicy", "AttachRolePolicy", "DeleteRolePolicy", "UpdateRole", "TagRole",
    "UpdateAssumeRolePolicy", "PutRolePermissionsBoundary", "DeleteRolePermissionsBoundary", "CreateUser",
    "CreatePolicyVersion", "CreateServiceLinkedRole",
)  # fmt: skip


def test_at_run_time_nothing_about_roles_is_written_and_only_themselves_are_passed():
    own = f"arn:aws:iam::{NUMBER}:policy/lab-runtime-boundary-{REGION}"
    for action in IAM_WRITES:
        for resource in (*OWN_ROLES.values(), own):
            assert not may("Runtime", f"iam:{action}", resource, iam__PermissionsBoundary=own), action
    passed = {role for role, resource in OWN_ROLES.items() if may("Runtime", "iam:PassRole", resource)}
    assert passed == {"job", "runbook"}


def test_the_pipeline_makes_the_two_run_time_roles_under_their_boundary_and_no_other():
    runtime, delivery = (
        f"arn:aws:iam::{NUMBER}:policy/lab-{kind}-boundary-{REGION}" for kind in ("runtime", "delivery")
    )
    for action in ("CreateRole", "PutRolePolicy"):
        made = {role for role, one in OWN_ROLES.items()
                if may("Delivery", f"iam:{action}", one, iam__PermissionsBoundary=runtime)}  # fmt: skip
        assert made == {"job", "runbook"}
        assert not any(
            may("Delivery", f"iam:{action}", one, iam__PermissionsBoundary=delivery) for one in OWN_ROLES.values()
        )
        assert not any(may("Delivery", f"iam:{action}", one) for one in OWN_ROLES.values())
    for action in ("PutRolePermissionsBoundary", "DeleteRolePermissionsBoundary", "AttachRolePolicy", "CreateUser"):
        assert not any(may("Delivery", f"iam:{action}", one) for one in OWN_ROLES.values())


@pytest.mark.parametrize("kind", ["Delivery", "Runtime"])
def test_no_boundary_lets_a_bucket_be_opened(kind):
    for action in ("PutBucketPublicAccessBlock", "PutAccountPublicAccessBlock", "PutBucketPolicy", "DeleteBucketPolicy",
                   "PutBucketAcl", "PutObjectAcl", "PutBucketOwnershipControls", "DeleteBucket"):  # fmt: skip
        for bucket in (LAKE, LOGS, f"{LAKE}/one", "*"):
            assert not may(kind, f"s3:{action}", bucket), action


def test_what_is_in_other_projects_is_in_no_boundary():
    """`lab` and `labtwo`; a project's name has no hyphen, so that no name of one begins like one of the other."""
    others = [
        ("glue:GetTable", arn("glue", "table/labtwo/one")), ("glue:UpdateJob", arn("glue", "job/labtwo-one")),
        ("glue:GetDatabase", arn("glue", "database/labtwo")), ("glue:StartCrawler", arn("glue", "crawler/labtwo-vcf")),
        ("logs:DeleteLogGroup", arn("logs", "log-group:/aws-glue/jobs/labtwo/output")),
        ("logs:PutRetentionPolicy", arn("logs", "log-group:/aws/codebuild/labtwo-build")),
        ("sagemaker:DeleteEndpoint", arn("sagemaker", "endpoint/labtwo-one")),
        ("s3:GetObject", f"arn:aws:s3:::labtwo-datalake-{NUMBER}-{REGION}/one"),
        ("athena:StartQueryExecution", arn("athena", "workgroup/labtwo")),
        ("cloudformation:UpdateStack", arn("cloudformation", "stack/LabTwoCode/x")),
    ]  # fmt: skip
    for kind in ("Delivery", "Runtime"):
        assert [one for one in others if may(kind, *one)] == []
    for stack, role in (
        ("setup", "BuildRole"),
        ("pipe", "CloudFormationRole"),
        ("code", "JobRole"),
        ("code", "RunbookRole"),
    ):
        documents = role_documents(stack, role, PLAIN)
        assert [one for one in others if policies.decide(documents, None, *one)] == [], role


def test_job_role_reaches_annotation_and_temporary_of_the_lake_only():
    documents = role_documents("code", "JobRole", PLAIN)
    for action in ("s3:GetObject", "s3:PutObject", "s3:DeleteObject"):
        reached = {place for place in ("annotation/a", "temporary/a", "demo/a", "autopilot/a", "models/a", "athena/a")
                   if policies.decide(documents, boundary("Runtime"), action, f"{LAKE}/{place}")}  # fmt: skip
        assert reached == {"annotation/a", "temporary/a"}, action


def test_runbook_role_reads_the_log_streams_of_its_own_jobs_only():
    documents, limit = role_documents("code", "RunbookRole", PLAIN), boundary("Runtime")
    allowed = {
        "/aws/sagemaker/TrainingJobs:log-stream:lab-one/algo": True,
        "/aws/sagemaker/TrainingJobs:log-stream:other-one/algo": False,
        "/aws/sagemaker/TrainingJobs:log-stream:labtwo-one/algo": False,
        "/aws/sagemaker/Endpoints/lab-one:log-stream:AllTraffic/i-1": True,
        "/aws/sagemaker/Endpoints/other-one:log-stream:AllTraffic/i-1": False,
        "/aws-glue/jobs/lab/output:log-stream:jr_1": True,
        "/aws-glue/jobs/labtwo/output:log-stream:jr_1": False,
        "/aws/codebuild/lab-build:log-stream:one": False,
    }
    for name, wanted in allowed.items():
        resource = arn("logs", f"log-group:{name}")
        assert policies.decide(documents, limit, "logs:GetLogEvents", resource) == wanted, name


def test_images_are_those_of_aws_accounts_of_the_region():
    """The registries of the SageMaker SDK's own tables, and no others."""
    from sagemaker.core import image_uris

    documents, limit = role_documents("code", "RunbookRole", PLAIN), boundary("Runtime")
    instance = "ml.m5.xlarge"
    images = [
        image_uris.retrieve("pytorch", REGION, version="2.6.0", py_version="py312", instance_type=instance,
                            image_scope="inference"),
        image_uris.retrieve("clarify", REGION, version="1.0"),
        image_uris.retrieve("xgboost", REGION, version="1.7-1"),
        image_uris.retrieve("sklearn", REGION, version="1.2-1", instance_type=instance),
        image_uris.retrieve("linear-learner", REGION),
        image_uris.retrieve("autogluon", REGION, version="1.4.0", instance_type=instance, image_scope="inference"),
    ]  # fmt: skip
    for image in images:
        registry, _, place = image.partition("/")
        account, repository = registry.split(".")[0], place.split(":")[0]
        resource = f"arn:aws:ecr:{REGION}:{account}:repository/{repository}"
        assert policies.decide(documents, limit, "ecr:BatchGetImage", resource), image
    elsewhere = f"arn:aws:ecr:{REGION}:{NUMBER}:repository/anything"
    assert not policies.decide(documents, limit, "ecr:BatchGetImage", elsewhere)


def test_image_accounts_are_the_sdks():
    import json
    from pathlib import Path

    from sagemaker.core import image_uris
    from templates import template

    kinds = {"Scikit": "sklearn", "Algorithms": "linear-learner", "Xgboost": "xgboost", "Frameworks": "autogluon",
             "Clarify": "clarify"}  # fmt: skip
    folder = Path(image_uris.__file__).parent / "image_uri_config"
    for stack in ("setup", "code"):
        for region, accounts in template(stack)["Mappings"]["ImageAccounts"].items():
            for kind, name in kinds.items():
                assert f'"{region}": "{accounts[kind]}"' in json.dumps(
                    json.loads((folder / f"{name}.json").read_text())
                )


def test_autopilots_explanations_have_names_of_their_own_and_are_tagged():
    """An account's report of what Autopilot was refused: AddTags on endpoint-config/sm-clarify-config-…"""
    documents, limit = role_documents("code", "RunbookRole", PLAIN), boundary("Runtime")
    for action, resource in (
        ("CreateEndpointConfig", "endpoint-config/sm-clarify-config-1746251067-14e5"),
        ("AddTags", "endpoint-config/sm-clarify-config-1746251067-14e5"),
        ("CreateEndpoint", "endpoint/sm-clarify-lab-one-1694657821-5fe3"),
        ("InvokeEndpoint", "endpoint/sm-clarify-lab-one-1694657821-5fe3"),
        ("DeleteEndpoint", "endpoint/sm-clarify-lab-one-1694657821-5fe3"),
        ("CreateModel", "model/sm-clarify-model-1"),
        ("ListTags", "automl-job/lab-one"),
        ("ListTags", "training-job/lab-one"),
    ):
        assert policies.decide(documents, limit, f"sagemaker:{action}", arn("sagemaker", resource)), action


def test_a_key_is_granted_to_services_of_aws_only():
    situation = SITUATIONS[1]
    key = situation.settings.kms_key
    for stack, role, kind in (("pipe", "CloudFormationRole", "Delivery"), ("code", "RunbookRole", "Runtime")):
        documents, limit = role_documents(stack, role, situation), boundary(kind, situation)
        for wanted, context in ((True, {"kms:GrantIsForAWSResource": "true"}), (False, {})):
            assert policies.decide(documents, limit, "kms:CreateGrant", key, context) == wanted, role
        assert policies.decide(documents, limit, "kms:Decrypt", key), role


def test_what_jobs_in_a_subnet_need_is_what_their_documentation_lists():
    """SageMaker's page "Give SageMaker training jobs access to resources in your VPC" lists these nine."""
    situation = SITUATIONS[1]
    documents, limit = role_documents("code", "RunbookRole", situation), boundary("Runtime", situation)
    interfaces = ("CreateNetworkInterface", "CreateNetworkInterfacePermission", "DeleteNetworkInterface",
                  "DeleteNetworkInterfacePermission")  # fmt: skip
    looks = (
        "DescribeNetworkInterfaces",
        "DescribeVpcs",
        "DescribeDhcpOptions",
        "DescribeSubnets",
        "DescribeSecurityGroups",
    )
    for action in interfaces:
        assert policies.decide(documents, limit, f"ec2:{action}", arn("ec2", "network-interface/eni-1")), action
    for action in looks:
        assert policies.decide(documents, limit, f"ec2:{action}", "*"), action


@pytest.mark.parametrize("role", list(rights.RECORDED))
def test_what_the_check_asks_of_a_role_is_allowed(role):
    stack = "code" if role in ("job", "runbook") else "pipe"
    logical = {"cloudformation": "CloudFormationRole", "codebuild": "CodeBuildRole", "codepipeline": "CodePipelineRole",
               "source-event": "SourceEventRole", "job": "JobRole", "runbook": "RunbookRole"}[role]  # fmt: skip
    documents, limit = role_documents(stack, logical, PLAIN), boundary("Runtime" if stack == "code" else "Delivery")
    names = {"partition": "aws", "region": REGION, "account": NUMBER, "project": "Lab", "lower": "lab"}
    own = f"arn:aws:iam::{NUMBER}:policy/lab-runtime-boundary-{REGION}"
    asked = [(action, one) for one in rights.questions(role, boundary=own, **names) for action in one.actions]
    refused = [(action, one.resource) for action, one in asked
               if not policies.decide(documents, limit, action, one.resource, one.context)]  # fmt: skip
    assert asked and refused == []

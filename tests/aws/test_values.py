"""Values against AWS's own service models, for the longest project's name and the longest region's.

The templates' resources become the requests that CloudFormation's handlers make of them; what the notebooks send is
checked where the tests pin those requests.
"""

from __future__ import annotations

import dataclasses
import json
import re

import boto3
import pytest
from shapes import operation_shape, shape_violations, violations
from situations import NUMBER, Situation, Stack
from templates import template

from genomicslearning.deploy.settings import check_project

LONGEST_PROJECT = "Genomicslearningatlength"
REGIONS = [
    (partition, region)
    for partition in boto3.Session().get_available_partitions()
    for region in boto3.Session().get_available_regions("sagemaker", partition_name=partition)
]


def longest() -> Situation:
    """Among the regions that have all container images, the longest name; with every option that there is."""
    offered = set(template("code")["Mappings"]["ImageAccounts"])
    partition, region = max((one for one in REGIONS if one[1] in offered), key=lambda one: len(one[1]))
    arn = f"arn:{partition}:kms:{region}:{NUMBER}:key/mrk-0123456789abcdef0123456789abcdef"
    more = {
        "subnet": f"subnet-{'0' * 17}",
        "security_group": f"sg-{'0' * 17}",
        "kms_key": arn,
        "email": "me@example.org",
    }
    return Situation("longest", LONGEST_PROJECT, region, partition, more | {"budget": 10**9})


def lower(value):
    """The Code* services and Logs spell with a small first letter."""
    if isinstance(value, dict):
        return {key[0].lower() + key[1:]: lower(one) for key, one in value.items()}
    return [lower(one) for one in value] if isinstance(value, list) else value


def pairs(tags) -> list[dict]:
    return [{"Key": key, "Value": value} for key, value in tags.items()] if isinstance(tags, dict) else tags


def without(properties: dict, *names: str) -> dict:
    return {key: value for key, value in properties.items() if key not in names}


def numbers(properties: dict, *names: str) -> dict:
    return {key: int(value) if key in names else value for key, value in properties.items()}


def pipeline(p: dict) -> dict:
    """A pipeline's own names stay as they are inside Configuration."""
    stages = [
        {
            "name": stage["Name"],
            "actions": [
                lower(without(action, "Configuration")) | {"configuration": action["Configuration"]}
                for action in stage["Actions"]
            ],
        }
        for stage in p["Stages"]
    ]
    return {"name": p["Name"], "roleArn": p["RoleArn"], "artifactStore": lower(p["ArtifactStore"]), "stages": stages}


def project(p: dict) -> dict:
    request = lower(without(p, "LogsConfig", "Source", "ServiceRole", "Environment"))
    environment = lower(without(p["Environment"], "EnvironmentVariables"))
    variables = [{"name": v["Name"], "value": str(v["Value"])} for v in p["Environment"]["EnvironmentVariables"]]
    source = {
        ("buildspec" if key == "BuildSpec" else lower({key: 0}).popitem()[0]): v for key, v in p["Source"].items()
    }
    return request | {
        "environment": environment | {"environmentVariables": variables},
        "source": source,
        "serviceRole": p["ServiceRole"],
        "logsConfig": {"cloudWatchLogs": lower(p["LogsConfig"]["CloudWatchLogs"])},
    }


# Resource type -> what its handler sends: service, operation, request.
REQUESTS = {
    "AWS::S3::Bucket": lambda p: ("s3", "CreateBucket", {"Bucket": p["BucketName"]}),
    "AWS::IAM::Role": lambda p: (
        "iam", "CreateRole",
        {"RoleName": p.get("RoleName", "made-by-cloudformation"), "AssumeRolePolicyDocument": "{}",
         "Description": p["Description"]} | ({"Tags": pairs(p["Tags"])} if "Tags" in p else {})
        | ({"PermissionsBoundary": p["PermissionsBoundary"]} if "PermissionsBoundary" in p else {}),
    ),
    "AWS::IAM::ManagedPolicy": lambda p: (
        "iam", "CreatePolicy",
        {"PolicyName": p["ManagedPolicyName"], "Description": p["Description"], "PolicyDocument": "{}"},
    ),
    "AWS::CodeCommit::Repository": lambda p: (
        "codecommit", "CreateRepository",
        {"repositoryName": p["RepositoryName"], "repositoryDescription": p["RepositoryDescription"]},
    ),
    "AWS::CodeBuild::Project": lambda p: ("codebuild", "CreateProject", project(p)),
    "AWS::CodePipeline::Pipeline": lambda p: ("codepipeline", "CreatePipeline", {"pipeline": pipeline(p)}),
    "AWS::Events::Rule": lambda p: (
        "events", "PutRule",
        {"Name": p.get("Name", "made"), "Description": p["Description"], "State": p["State"], "EventPattern": "{}"},
    ),
    "AWS::Logs::LogGroup": lambda p: ("logs", "CreateLogGroup", {"logGroupName": p["LogGroupName"]}),
    "AWS::Glue::Job": lambda p: ("glue", "CreateJob", numbers(p, "NumberOfWorkers", "Timeout", "MaxRetries")),
    "AWS::Glue::Crawler": lambda p: ("glue", "CreateCrawler", p),
    "AWS::Glue::Database": lambda p: ("glue", "CreateDatabase", p),
    "AWS::Glue::Table": lambda p: ("glue", "CreateTable", p),
    "AWS::SageMaker::NotebookInstance": lambda p: ("sagemaker", "CreateNotebookInstance", p),
    "AWS::SageMaker::NotebookInstanceLifecycleConfig": lambda p: (
        "sagemaker", "CreateNotebookInstanceLifecycleConfig", p,
    ),
    "AWS::Budgets::Budget": lambda p: (
        "budgets", "CreateBudget",
        {"AccountId": NUMBER, "NotificationsWithSubscribers": p["NotificationsWithSubscribers"],
         "Budget": p["Budget"] | {"BudgetLimit": {"Amount": str(p["Budget"]["BudgetLimit"]["Amount"]), "Unit": "USD"}}},
    ),
    "AWS::Athena::WorkGroup": lambda p: (
        "athena", "CreateWorkGroup",
        without(p, "WorkGroupConfiguration", "RecursiveDeleteOption") | {"Configuration": p["WorkGroupConfiguration"]},
    ),
    "AWS::Athena::NamedQuery": lambda p: ("athena", "CreateNamedQuery", p),
    "AWS::Lambda::Function": lambda p: (
        "lambda", "CreateFunction", {"FunctionName": "made-by-cloudformation"} | without(p, "LoggingConfig"),
    ),
}  # fmt: skip
#: Nothing of these is a value of ours: a policy is a document, a permission names a function of the same stack.
NO_REQUEST = {"AWS::S3::BucketPolicy", "AWS::Lambda::Permission", "AWS::CloudFormation::WaitConditionHandle",
              "Custom::Names", "Custom::Solution"}  # fmt: skip


@pytest.mark.parametrize("name", ["setup", "zone", "pipe", "code"])
def test_services_take_what_the_templates_ask_for(name):
    check_project(LONGEST_PROJECT)
    with pytest.raises(Exception, match="3 to 24 letters"):
        check_project(LONGEST_PROJECT + "x")
    wrong, checked = [], 0
    for resource in Stack(name, longest()).resources.values():
        if resource["Type"] in NO_REQUEST:
            continue
        wrong += violations(*REQUESTS[resource["Type"]](resource["Properties"]))
        checked += 1
    assert wrong == []
    assert checked >= 2


def test_a_stack_of_the_longest_name_has_names_that_its_services_take():
    """An administrator names the setup stack; a stack's name has up to 128 characters, a function's 64."""
    given = dataclasses.replace(longest(), stack="S" * 128)
    names = 0
    for resource in Stack("setup", given).resources.values():
        if resource["Type"] not in NO_REQUEST:
            service, operation, request = REQUESTS[resource["Type"]](resource["Properties"])
            assert violations(service, operation, request) == []
            names += "S" * 128 in json.dumps(request)
    assert names >= 3
    # Lambda's limit is in its documentation ("the length constraint applies only to the full ARN … 64 characters").
    assert "FunctionName" not in template("setup")["Resources"]["Function"]["Properties"]


def test_bucket_names_and_policies_are_within_their_limits():
    """S3's and IAM's limits, which their service models do not state."""
    situation = longest()
    names = [one["Properties"]["BucketName"] for one in Stack("pipe", situation).resources.values()
             if one["Type"] == "AWS::S3::Bucket"]  # fmt: skip
    for name in names:
        assert re.fullmatch(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]", name), name
    for kind in ("DeliveryBoundary", "RuntimeBoundary"):
        document = Stack("zone", situation).resources[kind]["Properties"]["PolicyDocument"]
        assert len(re.sub(r"\s", "", json.dumps(document))) <= 6144, kind
    for stack in ("setup", "pipe", "code"):
        for key, role in Stack(stack, situation).resources.items():
            if role["Type"] == "AWS::IAM::Role":
                documents = [one["PolicyDocument"] for one in role["Properties"]["Policies"]]
                assert len(re.sub(r"\s", "", json.dumps(documents))) <= 10_240, (stack, key)


# A parameter of a template -> the shape of what it becomes.
PARAMETERS = {
    "NotebookInstanceType": ("sagemaker", "CreateNotebookInstance", "InstanceType", "ml.t3.medium"),
    "VpcSubnetId": ("sagemaker", "CreateNotebookInstance", "SubnetId", "subnet-0123456789abcdef0"),
    "KmsKeyArn": ("sagemaker", "CreateNotebookInstance", "KmsKeyId", f"arn:aws:kms:eu-west-1:{NUMBER}:key/1-2"),
    "Version": ("glue", "CreateJob", "Name", "0.1.0-0123456789ab"),
}


@pytest.mark.parametrize("parameter", PARAMETERS)
def test_parameters_allow_what_their_services_take(parameter):
    service, operation, member, good = PARAMETERS[parameter]
    for name in ("setup", "pipe", "code"):
        given = template(name)["Parameters"].get(parameter)
        if given:
            assert re.fullmatch(given["AllowedPattern"], good), name
    shape = operation_shape(service, operation).members[member]
    assert not list(shape_violations(shape, good, member))


def test_defaults_of_parameters_are_allowed():
    for name in ("setup", "zone", "pipe", "code"):
        for key, one in template(name)["Parameters"].items():
            if "Default" in one and "AllowedPattern" in one:
                assert re.fullmatch(one["AllowedPattern"], str(one["Default"])), (name, key)
            if "AllowedValues" in one:
                assert one["Default"] in one["AllowedValues"], (name, key)
            # Every parameter is held to something.
            assert {"AllowedPattern", "AllowedValues", "MinValue"} & one.keys() or key.endswith("Bucket"), (name, key)


def test_violations_are_found():
    request = {"NotebookInstanceName": "x" * 64, "InstanceType": "ml.t9.medium", "RoleArn": "no"}
    found = violations("sagemaker", "CreateNotebookInstance", request)
    assert len([line for line in found if "characters, max 63" in line]) == 1
    assert len([line for line in found if "ml.t9.medium is none of" in line]) == 1
    assert any("RoleArn" in line for line in found)
    assert violations("sagemaker", "CreateNotebookInstance", {"Unknown": 1})[0].endswith("no Unknown")

"""`genomicslearning status --check` on the emulated account: what is broken, and what cannot be told.

That all is well where nothing is broken, test_rights.py shows: there the setup stack's build runs the command.
"""

from __future__ import annotations

import json

import pytest
from conftest import REGION

from genomicslearning import deploy
from genomicslearning.deploy import check
from genomicslearning.deploy.check import FAILED, OK, UNKNOWN, Deployment, Finding


def look(account, settings, what, actor: str = "administrator") -> list[Finding]:
    [(name, function)] = [one for one in check.CHECKS if one[0] == what]
    return list(check._guarded(name, function, Deployment(account.session(actor), settings, lambda text: None)))


def test_a_role_that_lost_a_right_is_named_with_it(account, whole):
    iam, name = account.client("iam"), f"whole-runbook-{REGION}"
    [policy] = iam.list_role_policies(RoleName=name)["PolicyNames"]
    document = iam.get_role_policy(RoleName=name, PolicyName=policy)["PolicyDocument"]
    kept = [one for one in document["Statement"] if one["Sid"] != "Query"]
    iam.put_role_policy(RoleName=name, PolicyName=policy, PolicyDocument=json.dumps(document | {"Statement": kept}))
    [found] = [one for one in look(account, whole.settings, "roles") if one.state != OK]
    iam.put_role_policy(RoleName=name, PolicyName=policy, PolicyDocument=json.dumps(document))
    assert found.what == f"role {name}" and found.state == FAILED
    assert "IAM would refuse athena:StartQueryExecution on arn:aws:athena:" in found.seen
    assert "run genomicslearning deploy" in found.remedy
    assert {one.state for one in look(account, whole.settings, "roles")} == {OK}


def test_a_role_that_its_service_cannot_assume_is_named(account, whole):
    iam, name = account.client("iam"), f"whole-job-{REGION}"
    before = iam.get_role(RoleName=name)["Role"]["AssumeRolePolicyDocument"]
    iam.update_assume_role_policy(RoleName=name, PolicyDocument=json.dumps(before).replace("glue.", "ec2."))
    [found] = [one for one in look(account, whole.settings, "roles") if one.state != OK]
    iam.update_assume_role_policy(RoleName=name, PolicyDocument=json.dumps(before))
    assert (found.state, found.seen) == (FAILED, "glue.amazonaws.com may not assume it")


def test_a_bucket_that_was_opened_is_named(account, whole):
    s3 = account.client("s3")
    before = s3.get_public_access_block(Bucket=whole.lake)["PublicAccessBlockConfiguration"]
    s3.put_public_access_block(Bucket=whole.lake, PublicAccessBlockConfiguration=before | {"BlockPublicPolicy": False})
    [found] = [one for one in look(account, whole.settings, "buckets") if one.state != OK]
    s3.put_public_access_block(Bucket=whole.lake, PublicAccessBlockConfiguration=before)
    assert (found.what, found.seen) == (f"bucket {whole.lake}", "public access is not blocked")


def test_a_notebook_that_looks_for_another_stack_is_told(account, whole):
    """What once was: the project in small letters, and names of stacks are case sensitive."""
    import base64

    sagemaker, name = account.client("sagemaker"), "whole-notebook"
    given = {"NotebookInstanceLifecycleConfigName": name}
    before = sagemaker.describe_notebook_instance_lifecycle_config(**given)["OnStart"]
    text = base64.b64decode(before[0]["Content"]).decode().replace("PROJECT=Whole ", "PROJECT=whole ")
    changed = [{"Content": base64.b64encode(text.encode()).decode()}]
    hooks = {"OnCreate": sagemaker.describe_notebook_instance_lifecycle_config(**given)["OnCreate"]}
    sagemaker.delete_notebook_instance_lifecycle_config(**given)
    sagemaker.create_notebook_instance_lifecycle_config(**given, **hooks, OnStart=changed)
    found = look(account, whole.settings, "notebook instance")[-1]
    sagemaker.delete_notebook_instance_lifecycle_config(**given)
    sagemaker.create_notebook_instance_lifecycle_config(**given, **hooks, OnStart=before)
    assert (found.state, found.seen) == (FAILED, "the notebook looks for wholeCode, which is not there")


def test_what_is_not_deployed_is_failed_and_not_an_error(account):
    settings = deploy.Settings(project="Nowhere", region=REGION)
    found = [one for what in ("stacks", "roles", "buckets", "Glue job") for one in look(account, settings, what)]
    assert {one.state for one in found} == {FAILED}
    assert all(one.remedy for one in found)


class Refusing:
    """A session whose every call is refused, or meets a quota."""

    def __init__(self, code: str, message: str):
        self.code, self.message, self.region_name = code, message, REGION

    def client(self, *_, **__):
        from botocore.exceptions import ClientError

        class Client:
            def __getattr__(inner, name):
                def call(*_, **__):
                    raise ClientError({"Error": {"Code": self.code, "Message": self.message}}, "SomeCall")

                return call

        client = Client()
        client.exceptions = type("Exceptions", (), {"ClientError": type("Other", (Exception,), {})})
        return client


@pytest.mark.parametrize(
    ("code", "state", "remedy"),
    [
        ("AccessDenied", UNKNOWN, "check as somebody who has the right SomeCall"),
        ("ResourceLimitExceeded", UNKNOWN, "ask for the quota in Service Quotas and check again"),
        ("ResourceNumberLimitExceededException", UNKNOWN, "ask for the quota in Service Quotas and check again"),
        ("ThrottlingException", UNKNOWN, "check again in some minutes"),
        ("InternalFailure", FAILED, "run genomicslearning deploy again"),
    ],
)
def test_what_cannot_be_told_is_no_failure(code, state, remedy):
    settings = deploy.Settings(project="Checked", region=REGION)
    deployment = Deployment(Refusing(code, "why"), settings, lambda text: None)
    [found] = check._guarded("buckets", check.buckets_are_closed, deployment)
    assert (found.state, found.remedy) == (state, remedy)


def test_a_line_says_what_and_what_to_do():
    assert (
        str(Finding("bucket x", FAILED, "no versions", "run deploy"))
        == "failed         bucket x: no versions; run deploy"
    )
    assert str(Finding("bucket x", OK)) == "ok             bucket x"

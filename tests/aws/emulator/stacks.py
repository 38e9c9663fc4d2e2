"""CloudFormation as moto does it, with what it lacks.

Every type of our templates is made, changed and deleted through its own service's API, under the name of the stack's
role (or of the caller): what the API refuses fails the stack, and the calls that are recorded are those that
CloudFormation's role needs. Stacks change in the background, with events, and roll back.
"""

from __future__ import annotations

import json
import re
import threading
import traceback
import uuid

import flask
from moto.cloudformation import models, parsing
from moto.cloudformation.exceptions import ValidationError
from moto.cloudformation.models import CloudFormationBackend, Stack
from moto.cloudformation.responses import CloudFormationResponse
from moto.core.common_models import CloudFormationModel
from moto.utilities.utils import get_partition

from emulator import functions, here

DEFAULT_ACCOUNT = "123456789012"


# ---------------------------------------------------------------------- resources
class Resource:
    """One type: how to make it through its API. `create` returns the physical id and the attributes for Fn::GetAtt."""

    def __init__(self, region: str, account: str, actor: str) -> None:
        self.region, self.account, self.actor = region, account, actor

    def api(self, service: str):
        return here.client(service, self.region, self.actor)

    def arn(self, service: str, rest: str, *, region: str | None = None) -> str:
        region = self.region if region is None else region
        return f"arn:{get_partition(self.region)}:{service}:{region}:{self.account}:{rest}"

    def update(self, physical_id: str, properties: dict, before: dict) -> tuple[str, dict]:
        """Where a type has no better way: replace it."""
        self.delete(physical_id, before)
        return self.create(properties)


def lower(value):
    """The APIs of the Code* services spell with a small first letter what CloudFormation spells with a capital."""
    if isinstance(value, dict):
        return {key[0].lower() + key[1:]: lower(entry) for key, entry in value.items()}
    return [lower(entry) for entry in value] if isinstance(value, list) else value


def tag_list(properties: dict) -> list[dict]:
    tags = properties.get("Tags", [])
    return tags if isinstance(tags, list) else [{"Key": key, "Value": value} for key, value in tags.items()]


def tag_map(properties: dict) -> dict:
    return {tag["Key"]: tag["Value"] for tag in tag_list(properties)}


class Bucket(Resource):
    def create(self, p):
        name, s3 = p["BucketName"], self.api("s3")
        place = (
            {} if self.region == "us-east-1" else {"CreateBucketConfiguration": {"LocationConstraint": self.region}}
        )
        if name in [bucket["Name"] for bucket in here.client("s3", self.region, "emulator").list_buckets()["Buckets"]]:
            raise ValueError(f"{name} already exists")
        s3.create_bucket(Bucket=name, **place)
        return self._configure(name, p)

    def _configure(self, name, p):
        s3 = self.api("s3")
        rules = p["BucketEncryption"]["ServerSideEncryptionConfiguration"]
        rules = [{"ApplyServerSideEncryptionByDefault": r["ServerSideEncryptionByDefault"]}
                 | {k: v for k, v in r.items() if k == "BucketKeyEnabled"} for r in rules]  # fmt: skip
        s3.put_bucket_encryption(Bucket=name, ServerSideEncryptionConfiguration={"Rules": rules})
        s3.put_bucket_ownership_controls(Bucket=name, OwnershipControls=p["OwnershipControls"])
        s3.put_public_access_block(Bucket=name, PublicAccessBlockConfiguration=p["PublicAccessBlockConfiguration"])
        s3.put_bucket_versioning(Bucket=name, VersioningConfiguration=p["VersioningConfiguration"])
        lifecycle = []
        for r in p["LifecycleConfiguration"]["Rules"]:
            rule = {"ID": r["Id"], "Status": r["Status"], "Filter": {"Prefix": ""}}
            if "ExpirationInDays" in r:
                rule["Expiration"] = {"Days": r["ExpirationInDays"]}
            for key in ("NoncurrentVersionExpiration", "AbortIncompleteMultipartUpload"):
                rule[key] = r[key]
            lifecycle.append(rule)
        s3.put_bucket_lifecycle_configuration(Bucket=name, LifecycleConfiguration={"Rules": lifecycle})
        if "LoggingConfiguration" in p:
            log = p["LoggingConfiguration"]
            target = {"TargetBucket": log["DestinationBucketName"], "TargetPrefix": log["LogFilePrefix"]}
            s3.put_bucket_logging(Bucket=name, BucketLoggingStatus={"LoggingEnabled": target})
        s3.put_bucket_tagging(Bucket=name, Tagging={"TagSet": tag_list(p)})
        return name, {"Arn": f"arn:{get_partition(self.region)}:s3:::{name}"}

    def update(self, physical_id, p, before):
        return self._configure(physical_id, p)

    def delete(self, physical_id, p):
        self.api("s3").delete_bucket(Bucket=physical_id)


class BucketPolicy(Resource):
    def create(self, p):
        self.api("s3").put_bucket_policy(Bucket=p["Bucket"], Policy=json.dumps(p["PolicyDocument"]))
        return f"{p['Bucket']}-policy", {}

    def update(self, physical_id, p, before):
        return self.create(p)

    def delete(self, physical_id, p):
        self.api("s3").delete_bucket_policy(Bucket=p["Bucket"])


class Role(Resource):
    def create(self, p):
        # Roles without a name of their own get one from the stack, as CloudFormation does.
        name = p.get("RoleName") or f"stack-{uuid.uuid4().hex[:12]}"
        iam = self.api("iam")
        request = {"RoleName": name, "AssumeRolePolicyDocument": json.dumps(p["AssumeRolePolicyDocument"])}
        if "PermissionsBoundary" in p:
            request["PermissionsBoundary"] = p["PermissionsBoundary"]
        made = iam.create_role(**request, Description=p.get("Description", ""), Tags=tag_list(p))["Role"]
        for policy in p["Policies"]:
            document = json.dumps(policy["PolicyDocument"])
            iam.put_role_policy(RoleName=name, PolicyName=policy["PolicyName"], PolicyDocument=document)
        return name, {"Arn": made["Arn"]}

    def update(self, physical_id, p, before):
        for policy in p["Policies"]:
            document = json.dumps(policy["PolicyDocument"])
            self.api("iam").put_role_policy(
                RoleName=physical_id, PolicyName=policy["PolicyName"], PolicyDocument=document
            )
        return physical_id, {"Arn": self.api("iam").get_role(RoleName=physical_id)["Role"]["Arn"]}

    def delete(self, physical_id, p):
        iam = self.api("iam")
        for name in iam.list_role_policies(RoleName=physical_id)["PolicyNames"]:
            iam.delete_role_policy(RoleName=physical_id, PolicyName=name)
        iam.delete_role(RoleName=physical_id)


class ManagedPolicy(Resource):
    def create(self, p):
        document = json.dumps(p["PolicyDocument"], separators=(",", ":"))
        if len(document) > 6144:
            raise ValueError("Cannot exceed quota for PolicySize: 6144")
        made = self.api("iam").create_policy(PolicyName=p["ManagedPolicyName"], PolicyDocument=document)["Policy"]
        return made["Arn"], {"PolicyArn": made["Arn"]}

    def delete(self, physical_id, p):
        self.api("iam").delete_policy(PolicyArn=physical_id)


class Repository(Resource):
    def create(self, p):
        request = {"repositoryName": p["RepositoryName"], "repositoryDescription": p["RepositoryDescription"]}
        made = self.api("codecommit").create_repository(**request, tags=tag_map(p))["repositoryMetadata"]
        return made["repositoryName"], {"Arn": made["Arn"], "Name": made["repositoryName"]}

    def update(self, physical_id, p, before):
        return physical_id, {"Arn": self.arn("codecommit", physical_id), "Name": physical_id}

    def delete(self, physical_id, p):
        self.api("codecommit").delete_repository(repositoryName=physical_id)


class BuildProject(Resource):
    def _request(self, p):
        request = lower({key: value for key, value in p.items() if key not in ("EncryptionKey", "Tags")})
        request["source"]["buildspec"] = request["source"].pop("buildSpec")
        for variable in request["environment"]["environmentVariables"]:
            variable["value"] = str(variable["value"])  # CloudFormation hands numbers over as text
        for end in ("source", "artifacts"):  # moto asks for a place also where CodePipeline has it
            if request[end]["type"] == "CODEPIPELINE":
                request[end]["location"] = "codepipeline"
        return request

    def create(self, p):
        self.api("codebuild").create_project(**self._request(p), tags=lower(tag_list(p)))
        return p["Name"], {"Arn": self.arn("codebuild", f"project/{p['Name']}")}

    def delete(self, physical_id, p):
        self.api("codebuild").delete_project(name=physical_id)


class Pipeline(Resource):
    def create(self, p):
        stages = [
            {"name": stage["Name"], "actions": [lower({k: v for k, v in action.items() if k != "Configuration"})
             | {"configuration": action["Configuration"]} for action in stage["Actions"]]}
            for stage in p["Stages"]
        ]  # fmt: skip
        pipeline = {"name": p["Name"], "roleArn": p["RoleArn"], "stages": stages, "version": 1}
        pipeline["artifactStore"] = lower(p["ArtifactStore"])
        self.api("codepipeline").create_pipeline(pipeline=pipeline, tags=lower(tag_list(p)))
        return p["Name"], {"Version": "1"}

    def delete(self, physical_id, p):
        self.api("codepipeline").delete_pipeline(name=physical_id)


class Rule(Resource):
    def create(self, p):
        name = p.get("Name") or f"rule-{uuid.uuid4().hex[:12]}"
        events = self.api("events")
        pattern = json.dumps(p["EventPattern"])
        made = events.put_rule(Name=name, EventPattern=pattern, State=p["State"], Description=p["Description"])
        events.put_targets(Rule=name, Targets=p["Targets"])
        return name, {"Arn": made["RuleArn"]}

    def delete(self, physical_id, p):
        events = self.api("events")
        events.remove_targets(Rule=physical_id, Ids=[target["Id"] for target in p["Targets"]])
        events.delete_rule(Name=physical_id)


class LogGroup(Resource):
    def create(self, p):
        logs = self.api("logs")
        logs.create_log_group(logGroupName=p["LogGroupName"])
        logs.put_retention_policy(logGroupName=p["LogGroupName"], retentionInDays=p["RetentionInDays"])
        return p["LogGroupName"], {"Arn": self.arn("logs", f"log-group:{p['LogGroupName']}:*")}

    def delete(self, physical_id, p):
        self.api("logs").delete_log_group(logGroupName=physical_id)


class Function(Resource):
    def create(self, p):
        request = {
            key: p[key] for key in ("FunctionName", "Runtime", "Handler", "Timeout", "Role", "Code", "Environment")
        }
        made = self.api("lambda").create_function(**request)
        return p["FunctionName"], {"Arn": made["FunctionArn"]}

    def delete(self, physical_id, p):
        self.api("lambda").delete_function(FunctionName=physical_id)


class Permission(Resource):
    def create(self, p):
        statement = uuid.uuid4().hex
        self.api("lambda").add_permission(**p, StatementId=statement)
        return statement, {}

    def delete(self, physical_id, p):
        self.api("lambda").remove_permission(FunctionName=p["FunctionName"], StatementId=physical_id)


class GlueJob(Resource):
    def create(self, p):
        request = {
            key: value for key, value in p.items() if key not in ("NumberOfWorkers", "Timeout", "MaxRetries", "Tags")
        }
        numbers = {key: int(p[key]) for key in ("NumberOfWorkers", "Timeout", "MaxRetries")}
        self.api("glue").create_job(**request, **numbers, Tags=tag_map(p))
        return p["Name"], {}

    def delete(self, physical_id, p):
        self.api("glue").delete_job(JobName=physical_id)


class GlueDatabase(Resource):
    def create(self, p):
        self.api("glue").create_database(DatabaseInput=p["DatabaseInput"])
        return p["DatabaseInput"]["Name"], {}

    def delete(self, physical_id, p):
        self.api("glue").delete_database(Name=physical_id)


class GlueTable(Resource):
    def create(self, p):
        self.api("glue").create_table(DatabaseName=p["DatabaseName"], TableInput=p["TableInput"])
        return p["TableInput"]["Name"], {}

    def delete(self, physical_id, p):
        self.api("glue").delete_table(DatabaseName=p["DatabaseName"], Name=physical_id)


class GlueCrawler(Resource):
    def create(self, p):
        request = {key: value for key, value in p.items() if key != "Tags"}
        self.api("glue").create_crawler(**request, Tags=tag_map(p))
        return p["Name"], {}

    def delete(self, physical_id, p):
        self.api("glue").delete_crawler(Name=physical_id)


class NotebookLifecycle(Resource):
    def create(self, p):
        name = p["NotebookInstanceLifecycleConfigName"]
        for hook in p["OnCreate"] + p["OnStart"]:
            if len(hook["Content"]) > 16384:
                raise ValueError("Member must have length less than or equal to 16384")
        self.api("sagemaker").create_notebook_instance_lifecycle_config(**p)
        return self.arn("sagemaker", f"notebook-instance-lifecycle-config/{name}"), {
            "NotebookInstanceLifecycleConfigName": name
        }

    def delete(self, physical_id, p):
        name = p["NotebookInstanceLifecycleConfigName"]
        self.api("sagemaker").delete_notebook_instance_lifecycle_config(NotebookInstanceLifecycleConfigName=name)


class NotebookInstance(Resource):
    def create(self, p):
        self.api("sagemaker").create_notebook_instance(**p)
        name = p["NotebookInstanceName"]
        return self.arn("sagemaker", f"notebook-instance/{name}"), {"NotebookInstanceName": name}

    def update(self, physical_id, p, before):
        return physical_id, {"NotebookInstanceName": p["NotebookInstanceName"]}

    def delete(self, physical_id, p):
        sagemaker, name = self.api("sagemaker"), p["NotebookInstanceName"]
        state = sagemaker.describe_notebook_instance(NotebookInstanceName=name)["NotebookInstanceStatus"]
        if state == "InService":
            sagemaker.stop_notebook_instance(NotebookInstanceName=name)
        sagemaker.delete_notebook_instance(NotebookInstanceName=name)


class Budget(Resource):
    def create(self, p):
        budget = p["Budget"] | {"BudgetLimit": {"Amount": str(p["Budget"]["BudgetLimit"]["Amount"]), "Unit": "USD"}}
        self.api("budgets").create_budget(
            AccountId=self.account, Budget=budget, NotificationsWithSubscribers=p["NotificationsWithSubscribers"]
        )
        return budget["BudgetName"], {}

    def delete(self, physical_id, p):
        self.api("budgets").delete_budget(AccountId=self.account, BudgetName=physical_id)


class Custom(Resource):
    """Calls the function and waits for the answer at the address that the request names."""

    def create(self, p):
        return self._ask("Create", p)

    def update(self, physical_id, p, before):
        return self._ask("Update", p, PhysicalResourceId=physical_id, OldResourceProperties=before)

    def delete(self, physical_id, p):
        self._ask("Delete", p, PhysicalResourceId=physical_id)

    def _ask(self, request_type, p, **more):
        answer = functions.ask(
            self.region, request_type=request_type, properties=p, resource_type=self.type, logical_id=self.logical_id,
            stack_id=self.stack_id, **more,
        )  # fmt: skip
        if answer["Status"] != "SUCCESS":
            raise ValueError(
                f"Received response status [FAILED] from custom resource. Message returned: {answer['Reason']}"
            )
        return answer["PhysicalResourceId"], answer["Data"]


TYPES = {
    "AWS::S3::Bucket": Bucket,
    "AWS::S3::BucketPolicy": BucketPolicy,
    "AWS::IAM::Role": Role,
    "AWS::IAM::ManagedPolicy": ManagedPolicy,
    "AWS::CodeCommit::Repository": Repository,
    "AWS::CodeBuild::Project": BuildProject,
    "AWS::CodePipeline::Pipeline": Pipeline,
    "AWS::Events::Rule": Rule,
    "AWS::Logs::LogGroup": LogGroup,
    "AWS::Lambda::Function": Function,
    "AWS::Lambda::Permission": Permission,
    "AWS::Glue::Job": GlueJob,
    "AWS::Glue::Database": GlueDatabase,
    "AWS::Glue::Table": GlueTable,
    "AWS::Glue::Crawler": GlueCrawler,
    "AWS::SageMaker::NotebookInstanceLifecycleConfig": NotebookLifecycle,
    "AWS::SageMaker::NotebookInstance": NotebookInstance,
    "AWS::Budgets::Budget": Budget,
}


# ---------------------------------------------------------------------- moto's engine
def _model(resource_type: str) -> type[CloudFormationModel]:
    made = TYPES.get(resource_type, Custom if resource_type.startswith("Custom::") else None)
    if made is None:
        raise NotImplementedError(f"the emulator has no {resource_type}")

    class Model(CloudFormationModel):
        def __init__(self, physical_id, attributes, properties):
            self.physical_resource_id, self.attributes, self.properties = physical_id, attributes, properties

        @staticmethod
        def cloudformation_name_type():
            return ""

        @staticmethod
        def cloudformation_type():
            return resource_type

        @classmethod
        def has_cfn_attr(cls, attr):
            return True

        def get_cfn_attribute(self, attribute_name):
            return self.attributes[attribute_name]

        @classmethod
        def create_from_cloudformation_json(cls, resource_name, cloudformation_json, account_id, region_name, **more):
            properties = _plain(cloudformation_json.get("Properties", {}))
            return cls(*_resource(made, region_name, account_id, resource_type, more).create(properties), properties)

        @classmethod
        def update_from_cloudformation_json(
            cls, original_resource, new_resource_name, cloudformation_json, account_id, region_name
        ):
            properties = _plain(cloudformation_json.get("Properties", {}))
            before = original_resource.properties
            if properties == before:
                return original_resource
            more = {"LogicalId": original_resource.logical_resource_id, "StackId": _current.stack.stack_id}
            resource = _resource(made, region_name, account_id, resource_type, more)
            return cls(*resource.update(original_resource.physical_resource_id, properties, before), properties)

        def delete(self, account_id, region_name):
            more = {"LogicalId": self.logical_resource_id, "StackId": _current.stack.stack_id}
            _resource(made, region_name, account_id, resource_type, more).delete(
                self.physical_resource_id, self.properties
            )

    Model.__name__ = resource_type.replace("::", "")
    return Model


def _resource(made, region, account, resource_type, more) -> Resource:
    resource = made(region, account, _current.actor)
    resource.type, resource.logical_id, resource.stack_id = resource_type, more["LogicalId"], more["StackId"]
    return resource


def _plain(value):
    """A copy that owes nothing to the template, without what is AWS::NoValue."""
    if isinstance(value, dict):
        return {key: _plain(entry) for key, entry in value.items() if entry is not None}
    return [_plain(entry) for entry in value if entry is not None] if isinstance(value, list) else value


_current = threading.local()
_models = {}


def _resource_class(resource_type):
    return _models.setdefault(resource_type, _models.get(resource_type) or _model(resource_type))


_moto_clean = parsing.clean_json


def _clean(resource_json, resources_map):
    """Fn::Sub in one pass: moto's would also replace what the inserted text (a shell script) has in braces."""
    if isinstance(resource_json, dict) and "Fn::Sub" in resource_json:
        template, variables = resource_json["Fn::Sub"], {}
        if isinstance(template, list):
            template, variables = template
        variables = {key: _clean(value, resources_map) for key, value in variables.items()}

        def value(match):
            name = match.group(1)
            if name in variables:
                return str(variables[name])
            return str(_clean({"Fn::GetAtt": name.split(".", 1)} if "." in name else {"Ref": name}, resources_map))

        return re.sub(r"\$\{([A-Za-z0-9:.]+)\}", value, template)
    return _moto_clean(resource_json, resources_map)


def _references(template) -> list[str]:
    """moto looks for Ref only when it decides which resources a changed parameter touches."""
    return re.findall(r"[A-Za-z0-9]+", json.dumps(template))


def _in_background(stack: Stack, name: str, work, actor: str) -> None:
    stack.status = f"{name}_IN_PROGRESS"
    stack._add_stack_event(stack.status, resource_status_reason="User Initiated")

    def run():
        _current.stack, _current.actor = stack, actor
        try:
            work()
        except Exception:  # a stack that never ends would hang its test
            traceback.print_exc()
            stack.status = f"{name}_FAILED"

    threading.Thread(target=run, daemon=True).start()


def _event(stack: Stack, resource_id: str, status: str, reason: str | None = None, physical_id: str = "") -> None:
    kind = stack.resource_map._resource_json_map.get(resource_id, {}).get("Type", "")
    stack.events.append(models.Event(
        stack_id=stack.stack_id, stack_name=stack.name, logical_resource_id=resource_id,
        physical_resource_id=physical_id, resource_type=kind,
        resource_status=status, resource_status_reason=reason, resource_properties=None,
    ))  # fmt: skip


def _finish(stack: Stack, status: str) -> None:
    stack._add_stack_event(status)
    stack.status = status


def _resources_there(stack: Stack) -> list:
    parsed, definitions = stack.resource_map._parsed_resources, stack.resource_map._resource_json_map
    return [parsed[name] for name in definitions if parsed.get(name) is not None]


def _create(stack: Stack) -> None:
    resources = stack.resource_map
    resources._template, resources._resource_json_map = stack.template_dict, stack.template_dict["Resources"]
    # Stack, parameters and conditions were loaded when the stack was made.
    for name in resources._ResourceMap__get_resources_in_dependency_order():
        try:
            made = resources[name]
        except Exception as problem:
            _event(stack, name, "CREATE_FAILED", str(problem))
            stack.status = "ROLLBACK_IN_PROGRESS"
            _finish(stack, "ROLLBACK_FAILED" if _delete_resources(stack) else "ROLLBACK_COMPLETE")
            return
        if made is not None:
            _event(stack, name, "CREATE_COMPLETE", physical_id=made.physical_resource_id)
    stack.output_map = stack._create_output_map()
    _finish(stack, "CREATE_COMPLETE")


def _delete_resources(stack: Stack) -> str | None:
    """In the reverse of the order in which they were made; the reason of the first that cannot be deleted."""
    parsed, definitions = stack.resource_map._parsed_resources, stack.resource_map._resource_json_map
    for name in [name for name in reversed(list(parsed)) if name in definitions]:
        if parsed[name] is None:
            continue
        try:
            parsed[name].delete(stack.account_id, stack.region_name)
        except Exception as problem:
            if "NoSuch" not in str(problem) and "NotFound" not in str(problem):
                _event(stack, name, "DELETE_FAILED", str(problem))
                return str(problem)
        _event(stack, name, "DELETE_COMPLETE")
        del parsed[name]
    return None


def _delete(backend: CloudFormationBackend, stack: Stack) -> None:
    if _delete_resources(stack):
        _finish(stack, "DELETE_FAILED")
        return
    backend.stacks.pop(stack.stack_id, None)
    backend.deleted_stacks[stack.stack_id] = stack
    _finish(stack, "DELETE_COMPLETE")


def _update(stack: Stack, template: str, parameters: dict) -> None:
    before = (stack.template, dict(stack.resource_map.input_parameters), dict(stack.resource_map._parsed_resources))
    try:
        stack.template = template
        stack._parse_template()
        stack.resource_map.update(stack.template_dict, parameters)
    except Exception as problem:
        _event(stack, "update", "UPDATE_FAILED", str(problem))
        stack.template = before[0]
        stack._parse_template()
        stack.resource_map.input_parameters = before[1]
        stack.resource_map._parsed_resources = before[2]
        stack.resource_map._resource_json_map = stack.template_dict["Resources"]
        _finish(stack, "UPDATE_ROLLBACK_COMPLETE")
        return
    stack.parameters = parameters
    stack.output_map = stack._create_output_map()
    _finish(stack, "UPDATE_COMPLETE")


def _caller() -> str:
    found = re.search(r"Credential=([^/]+)/", flask.request.headers.get("Authorization", ""))
    return found.group(1) if found else "nobody"


def _actor(stack: Stack) -> str:
    return here.role_name(stack.role_arn) if stack.role_arn else _caller()


def install() -> None:
    parsing.clean_json = _clean
    parsing.resource_class_from_type = _resource_class
    parsing.get_references_from_template = _references

    load = parsing.ResourceMap.load

    def load_with_partition(self):
        self._parsed_resources["AWS::Partition"] = get_partition(self._region_name)
        load(self)

    parsing.ResourceMap.load = load_with_partition
    parsing.ResourceMap.validate_outputs = lambda self: None

    def create_resources(self):
        _in_background(self, "CREATE", lambda: _create(self), _actor(self))

    Stack.create_resources = create_resources
    # moto's would make what is not there (yet) when it is asked what is there.
    Stack.stack_resources = property(_resources_there)

    def update(self, template, role_arn=None, parameters=None, tags=None):
        self.role_arn = role_arn or self.role_arn
        _in_background(self, "UPDATE", lambda: _update(self, template, parameters), _actor(self))

    Stack.update = update

    # moto compares numbers with their text and finds a change where there is none.
    changed = CloudFormationResponse._validate_different_update

    def validate_different_update(self, incoming, body, stack):
        given = [{**entry, "ParameterValue": str(entry.get("ParameterValue", ""))} for entry in incoming]
        now = {key: str(value) for key, value in stack.stack_parameters.items()}
        if stack.template == body and now == {entry["ParameterKey"]: entry["ParameterValue"] for entry in given}:
            raise ValidationError(stack.name, message="No updates are to be performed.")
        changed(self, incoming, body, stack)

    CloudFormationResponse._validate_different_update = validate_different_update

    def delete_stack(self, name_or_stack_id):
        for stack in list(self.stacks.values()):
            if name_or_stack_id in (stack.name, stack.stack_id):
                _in_background(stack, "DELETE", lambda stack=stack: _delete(self, stack), _actor(stack))

    CloudFormationBackend.delete_stack = delete_stack

"""Each resource type of the templates: made, changed and deleted through its own service's API.

The calls go out under the name of the stack's role (or of the caller): what the API refuses fails the stack, and the
calls that are recorded are those that CloudFormation's role needs.
"""

from __future__ import annotations

import json
import uuid

from moto.utilities.utils import get_partition

from emulator import functions, here


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
        place = {} if self.region == "us-east-1" else {"CreateBucketConfiguration": {"LocationConstraint": self.region}}
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
        name = f"{self.stack_id.split('/')[1]}-{self.logical_id}"[:51] + f"-{uuid.uuid4().hex[:12]}"
        request = {key: p[key] for key in ("Runtime", "Handler", "Timeout", "Role", "Code", "Environment")}
        made = self.api("lambda").create_function(FunctionName=name, **request)
        return name, {"Arn": made["FunctionArn"]}

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


class WorkGroup(Resource):
    def create(self, p):
        p = p["WorkGroupConfiguration"] | {"Description": p["Description"], "Name": p["Name"], "Tags": p["Tags"]}
        about = {key: p.pop(key) for key in ("Name", "Description", "Tags")}
        p["BytesScannedCutoffPerQuery"] = int(p["BytesScannedCutoffPerQuery"])
        self.api("athena").create_work_group(**about, Configuration=p)
        return about["Name"], {}

    def update(self, physical_id, p, before):
        return physical_id, {}

    def delete(self, physical_id, p):
        self.api("athena").delete_work_group(WorkGroup=physical_id, RecursiveDeleteOption=True)


class NamedQuery(Resource):
    def create(self, p):
        return self.api("athena").create_named_query(**p)["NamedQueryId"], {}

    def delete(self, physical_id, p):
        """moto cannot: the query goes with its workgroup."""


class WaitConditionHandle(Resource):
    """An address that nobody calls."""

    def create(self, p):
        return f"https://example.org/{uuid.uuid4().hex}", {}

    def update(self, physical_id, p, before):
        return physical_id, {}

    def delete(self, physical_id, p):
        pass


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
    "AWS::Athena::WorkGroup": WorkGroup,
    "AWS::Athena::NamedQuery": NamedQuery,
    "AWS::CloudFormation::WaitConditionHandle": WaitConditionHandle,
}

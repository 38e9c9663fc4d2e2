"""Templates with parameters, conditions and intrinsic functions worked out, for the choices an administrator has."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from templates import template

from genomicslearning.deploy.settings import Settings

NUMBER = "123456789012"


@dataclass(frozen=True)
class Situation:
    """What an administrator chose; `name` is for a test's id."""

    name: str
    project: str = "GenomicsLearning"
    region: str = "eu-west-1"
    partition: str = "aws"
    more: dict = field(default_factory=dict)
    own_boundaries: bool = False
    stack: str = ""  # the setup stack's name

    @property
    def settings(self) -> Settings:
        own = {}
        if self.own_boundaries:
            arn = f"arn:{self.partition}:iam::{NUMBER}:policy/ours"
            own = {"delivery_boundary": f"{arn}-delivery", "runtime_boundary": f"{arn}-runtime"}
        return Settings(project=self.project, region=self.region, **own, **self.more)

    def arn(self, service: str, rest: str, *, region: str | None = None) -> str:
        return f"arn:{self.partition}:{service}:{self.region if region is None else region}:{NUMBER}:{rest}"

    def parameters(self, stack: str) -> dict[str, str]:
        settings = self.settings
        boundaries = [
            self.arn("iam", f"policy/{settings.lower}-{kind}-boundary-{self.region}", region="")
            for kind in ("delivery", "runtime")
        ]
        if self.own_boundaries:
            boundaries = [settings.delivery_boundary, settings.runtime_boundary]
        if stack == "zone":
            return settings.zone_parameters()
        pipe = settings.pipe_parameters(*boundaries)
        if stack == "pipe":
            return pipe
        if stack == "setup":
            given = {"Project": settings.project, "ConnectionArn": settings.connection, "KmsKeyArn": settings.kms_key}
            return given | {"GitHubRepository": settings.github, "Data": "s3://their-data/clinvar.vcf.gz"}
        buckets = {
            f"{key}Bucket": settings.bucket(kind, NUMBER)
            for key, kind in (("DataLake", "datalake"), ("Resources", "resources"))
        }
        known = template("code")["Parameters"]
        return {key: value for key, value in (pipe | buckets | {"Version": "1"}).items() if key in known}


class Stack:
    """One template in one situation: `resources` are those that its conditions make, with plain properties."""

    def __init__(self, name: str, situation: Situation) -> None:
        self.name, self.situation, self.document = name, situation, template(name)
        given = situation.parameters(name)
        for key, one in self.document["Parameters"].items():
            given.setdefault(key, one.get("Default", ""))
        self.parameters = {key: str(value) for key, value in given.items()}
        self.resources = {
            key: {**resource, "Properties": self.plain(resource.get("Properties", {}))}
            for key, resource in self.document["Resources"].items()
            if self.holds(resource.get("Condition"))
        }

    def holds(self, condition: str | None) -> bool:
        return condition is None or self.plain(self.document["Conditions"][condition])

    def plain(self, value):
        if isinstance(value, list):
            return [one for one in map(self.plain, value) if one is not None]
        if not isinstance(value, dict):
            return value
        if len(value) == 1:
            [(key, inner)] = value.items()
            function = getattr(self, f"_{key.removeprefix('Fn::').lower()}", None)
            if function and key in ("Fn::Base64", "Ref", "Sub", "GetAtt", "If", "Equals", "Not", "And", "Select",
                                    "Split", "FindInMap"):  # fmt: skip
                return function(inner)
        return {key: one for key, one in ((key, self.plain(one)) for key, one in value.items()) if one is not None}

    def _base64(self, inner):
        import base64

        return base64.b64encode(self.plain(inner).encode()).decode()

    def _ref(self, name: str):
        situation = self.situation
        known = {"AWS::Partition": situation.partition, "AWS::Region": situation.region, "AWS::AccountId": NUMBER,
                 "AWS::NoValue": None, "AWS::StackName": situation.stack or f"{situation.project}Setup"}  # fmt: skip
        if name in known:
            return known[name]
        return self.parameters[name] if name in self.parameters else self.physical(name)

    def physical(self, name: str) -> str:
        """What Ref gives for a resource: its name, where it has one."""
        resource = self.document["Resources"][name]
        properties = resource.get("Properties", {})
        if resource["Type"] == "AWS::IAM::ManagedPolicy":
            return self.situation.arn("iam", f"policy/{self.plain(properties['ManagedPolicyName'])}", region="")
        if resource["Type"] == "AWS::Glue::Database":
            return self.plain(properties["DatabaseInput"]["Name"])
        named = [key for key in properties if key == "Name" or (key.endswith("Name") and key != "DatabaseName")]
        return self.plain(properties[named[0]]) if named else f"{self.situation.project}-{name}"

    def _sub(self, inner):
        text, variables = inner if isinstance(inner, list) else (inner, {})
        variables = {key: self.plain(value) for key, value in variables.items()}

        def value(found: re.Match) -> str:
            name = found.group(1)
            if name in variables:
                return str(variables[name])
            return str(self._getatt(name) if "." in name else self._ref(name))

        return re.sub(r"\$\{([A-Za-z0-9:.]+)\}", value, text)

    def _getatt(self, name: str):
        resource, _, attribute = name.partition(".")
        if attribute == "Lower":
            return self.situation.project.lower()
        if attribute != "Arn":
            return self.physical(resource)
        return self.arn_of(resource)

    def arn_of(self, name: str) -> str:
        resource, physical, arn = self.document["Resources"][name], self.physical(name), self.situation.arn
        return {
            "AWS::IAM::Role": lambda: arn("iam", f"role/{physical}", region=""),
            "AWS::IAM::ManagedPolicy": lambda: physical,
            "AWS::S3::Bucket": lambda: f"arn:{self.situation.partition}:s3:::{physical}",
            "AWS::S3::BucketPolicy": lambda: (
                f"arn:{self.situation.partition}:s3:::" + self.plain(resource["Properties"]["Bucket"])
            ),
            "AWS::Logs::LogGroup": lambda: arn("logs", f"log-group:{physical}:*"),
            "AWS::CodeCommit::Repository": lambda: arn("codecommit", physical),
            "AWS::CodeBuild::Project": lambda: arn("codebuild", f"project/{physical}"),
            "AWS::CodePipeline::Pipeline": lambda: arn("codepipeline", physical),
            "AWS::Events::Rule": lambda: arn("events", f"rule/{physical}"),
            "AWS::Glue::Job": lambda: arn("glue", f"job/{physical}"),
            "AWS::Glue::Crawler": lambda: arn("glue", f"crawler/{physical}"),
            "AWS::Glue::Database": lambda: arn("glue", f"database/{physical}"),
            "AWS::Glue::Table": lambda: arn(
                "glue", f"table/{self.situation.settings.lower}/{resource['Properties']['TableInput']['Name']}"
            ),
            "AWS::SageMaker::NotebookInstance": lambda: arn("sagemaker", f"notebook-instance/{physical}"),
            "AWS::SageMaker::NotebookInstanceLifecycleConfig": lambda: arn(
                "sagemaker", f"notebook-instance-lifecycle-config/{physical}"
            ),
            "AWS::Budgets::Budget": lambda: arn(
                "budgets", f"budget/{self.plain(resource['Properties']['Budget']['BudgetName'])}", region=""
            ),
            "AWS::Athena::WorkGroup": lambda: arn("athena", f"workgroup/{physical}"),
            "AWS::Athena::NamedQuery": lambda: arn("athena", f"workgroup/{self.situation.settings.lower}"),
            "AWS::Lambda::Function": lambda: arn("lambda", f"function:{physical}"),
        }[resource["Type"]]()

    def _if(self, inner):
        condition, yes, no = inner
        return self.plain(yes if self.holds(condition) else no)

    def _equals(self, inner):
        one, other = map(self.plain, inner)
        return one == other

    def _not(self, inner):
        return not self.plain(inner[0])

    def _and(self, inner):
        return all(map(self.plain, inner))

    def _select(self, inner):
        return self.plain(inner[1])[int(inner[0])]

    def _split(self, inner):
        return self.plain(inner[1]).split(inner[0])

    def _findinmap(self, inner):
        one, key, name = map(self.plain, inner)
        return self.document["Mappings"][one][key][name]


_GITHUB = "arn:aws:codeconnections:eu-west-1:123456789012:connection/1111-2222"
SITUATIONS = (
    Situation("plain", more={"email": "me@example.org"}),
    Situation(
        "network and key",
        more={
            "subnet": "subnet-1a2b3c", "security_group": "sg-1a2b3c",
            "kms_key": "arn:aws:kms:eu-west-1:123456789012:key/1111", "email": "me@example.org",
        },
    ),
    Situation("github", more={"connection": _GITHUB, "github": "someone/genomics", "approval": True}),
    Situation("own boundaries, github", own_boundaries=True, more={"connection": _GITHUB, "github": "a/b"}),
)  # fmt: skip


def role_documents(stack: str, role: str, situation: Situation) -> list[dict]:
    """A role's policies in a situation."""
    return [one["PolicyDocument"] for one in Stack(stack, situation).resources[role]["Properties"]["Policies"]]

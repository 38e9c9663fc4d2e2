"""CodePipeline really runs: stage by stage and action by action, as the pipeline's own definition has them.

Artifacts travel through its bucket as zips, and the calls go out under its role. A run takes a build's time, so that
only pipelines in FOLDER/pipelines.json run (name -> variables of their builds); the others stay as moto has them.
"""

from __future__ import annotations

import io
import json
import threading
import time
import traceback
import zipfile

from moto.codecommit.models import codecommit_backends
from moto.codepipeline.models import codepipeline_backends
from moto.codepipeline.responses import CodePipelineResponse

from emulator import codebuild, here

_moto_start = CodePipelineResponse.start_pipeline_execution


def chosen() -> dict[str, dict]:
    path = here.FOLDER / "pipelines.json"
    return json.loads(path.read_text()) if path.exists() else {}


def start_pipeline_execution(self):
    answer = _moto_start(self)
    name = self._get_param("name")
    if name in chosen():
        pipeline = codepipeline_backends[self.current_account][self.region].pipelines[name]
        execution = pipeline.executions[json.loads(answer)["pipelineExecutionId"]]
        execution.status = "InProgress"
        run = Run(self.current_account, self.region, pipeline.pipeline, chosen()[name])
        threading.Thread(target=_run, args=(run, execution), daemon=True).start()
    return answer


def _run(run: Run, execution) -> None:
    try:
        run.stages()
        execution.status = "Succeeded"
    except Exception as problem:
        traceback.print_exc()
        execution.status_summary, execution.status = str(problem), "Failed"


class Run:
    def __init__(self, account: str, region: str, pipeline: dict, variables: dict[str, str]) -> None:
        self.account, self.region, self.pipeline, self.variables = account, region, pipeline, variables
        self.role, self.bucket = here.role_name(pipeline["roleArn"]), pipeline["artifactStore"]["location"]

    def api(self, service: str):
        return here.client(service, self.region, self.role)

    def stages(self) -> None:
        providers = {"CodeCommit": self.source, "CodeBuild": self.build, "CloudFormation": self.create_stack}
        for stage in self.pipeline["stages"]:
            for action in stage["actions"]:
                given = [self.fetch(artifact["name"]) for artifact in action.get("inputArtifacts", [])]
                files = providers[action["actionTypeId"]["provider"]](action["configuration"], *given)
                for artifact in action.get("outputArtifacts", []):
                    self.store(artifact["name"], files)

    def store(self, name: str, files: dict[str, bytes]) -> None:
        archive = io.BytesIO()
        with zipfile.ZipFile(archive, "w") as writer:
            for path, content in files.items():
                writer.writestr(path, content)
        self.api("s3").put_object(Bucket=self.bucket, Key=f"{self.pipeline['name']}/{name}", Body=archive.getvalue())

    def fetch(self, name: str) -> dict[str, bytes]:
        stored = self.api("s3").get_object(Bucket=self.bucket, Key=f"{self.pipeline['name']}/{name}")["Body"].read()
        with zipfile.ZipFile(io.BytesIO(stored)) as archive:
            return {path: archive.read(path) for path in archive.namelist()}

    def source(self, configuration: dict) -> dict[str, bytes]:
        where = {"repositoryName": configuration["RepositoryName"], "branchName": configuration["BranchName"]}
        commit = self.api("codecommit").get_branch(**where)["branch"]["commitId"]
        repository = codecommit_backends[self.account][self.region].repositories[configuration["RepositoryName"]]
        return {path: repository.blobs[blob] for path, blob in repository.commits[commit].items()}

    def build(self, configuration: dict, source: dict[str, bytes]) -> dict[str, bytes]:
        return codebuild.build(self.account, self.region, configuration["ProjectName"], source, self.variables)

    def create_stack(self, configuration: dict, build: dict[str, bytes]) -> dict:
        template = build[configuration["TemplatePath"].partition("::")[2]]
        settings = json.loads(build[configuration["TemplateConfiguration"].partition("::")[2]])
        client, name = self.api("cloudformation"), configuration["StackName"]
        request = {
            "StackName": name,
            "TemplateBody": template.decode(),
            "Parameters": [
                {"ParameterKey": key, "ParameterValue": value} for key, value in settings["Parameters"].items()
            ],
            "Tags": [{"Key": key, "Value": value} for key, value in settings["Tags"].items()],
            "Capabilities": [configuration["Capabilities"]],
            "RoleARN": configuration["RoleArn"],
        }
        try:
            client.describe_stacks(StackName=name)
            client.update_stack(**request)
        except client.exceptions.ClientError as problem:
            if "No updates" in str(problem):
                return {}
            if "does not exist" not in str(problem):
                raise
            client.create_stack(**request)
        while (status := client.describe_stacks(StackName=name)["Stacks"][0]["StackStatus"]).endswith("_IN_PROGRESS"):
            time.sleep(0.2)
        if status not in ("CREATE_COMPLETE", "UPDATE_COMPLETE"):
            raise RuntimeError(f"{name}: {status}")
        return {}


def install() -> None:
    CodePipelineResponse.start_pipeline_execution = start_pipeline_execution

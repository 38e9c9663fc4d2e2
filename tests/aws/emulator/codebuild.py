"""CodeBuild projects really build, from S3 or for a pipeline; the end of a build from S3 is an event, as on AWS."""

from __future__ import annotations

import io
import json
import re
import threading
import uuid
import zipfile

import yaml
from moto.codebuild.models import codebuild_backends
from moto.codebuild.responses import CodeBuildResponse

from emulator import buildspec, here


def start_build(self):
    name = self._get_param("projectName")
    project = codebuild_backends[self.current_account][self.region].codebuild_projects[name].project_metadata
    variables = project["environment"].get("environmentVariables", []) + self._get_param(
        "environmentVariablesOverride", []
    )
    build_id = f"{name}:{uuid.uuid4()}"
    arguments = (self.current_account, self.region, project, variables, build_id)
    threading.Thread(target=_build, args=arguments, daemon=True).start()
    return json.dumps({"build": {"id": build_id, "projectName": name, "buildStatus": "IN_PROGRESS"}})


def _build(account: str, region: str, project: dict, variables: list[dict], build_id: str) -> None:
    folder = here.FOLDER / re.sub(r"\W", "-", build_id)
    source = folder / "source"
    role = here.role_name(project["serviceRole"])
    bucket, _, key = project["source"]["location"].partition("/")
    archive = here.client("s3", region, role).get_object(Bucket=bucket, Key=key)["Body"].read()
    zipfile.ZipFile(io.BytesIO(archive)).extractall(source)
    environment = buildspec.clean_environment(folder / "environment")
    variables_map = {entry["name"]: str(entry["value"]) for entry in variables}
    settings = buildspec.with_environment(here.environment(region, role), environment) | variables_map
    failed = buildspec.run(
        source / project["source"]["buildspec"], source, settings, here.FOLDER / f"{project['name']}.log"
    )
    _ended(account, region, project["name"], build_id, variables, failed)


def build(account: str, region: str, name: str, source: dict[str, bytes], variables: dict) -> dict[str, bytes]:
    """A pipeline's build of these files; the files of its artifact."""
    project = codebuild_backends[account][region].codebuild_projects[name].project_metadata
    folder = here.FOLDER / f"{name}-{uuid.uuid4()}"
    buildspec.lend_tools(folder / "source")
    for path, content in source.items():
        (folder / "source" / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / "source" / path).write_bytes(content)
    spec, log = folder / "source" / project["source"]["buildspec"], here.FOLDER / f"{name}.log"
    environment = buildspec.clean_environment(folder / "environment")
    given = {entry["name"]: str(entry["value"]) for entry in project["environment"]["environmentVariables"]}
    settings = here.environment(region, here.role_name(project["serviceRole"])) | given | variables
    failed = buildspec.run(spec, folder / "source", buildspec.with_environment(settings, environment), log)
    if failed:
        raise RuntimeError(f"{name} failed in {failed}: {log.read_text()[-2000:]}")
    artifacts = yaml.safe_load(spec.read_text())["artifacts"]
    base = folder / "source" / artifacts["base-directory"]
    return {path: (base / path).read_bytes() for path in artifacts["files"]}


def _ended(account, region, project_name, build_id, variables, failed) -> None:
    """The event in the form that the CodeBuild user guide documents, to whatever rule it matches."""
    detail = {
        "build-status": "FAILED" if failed else "SUCCEEDED",
        "project-name": project_name,
        "build-id": f"arn:aws:codebuild:{region}:{account}:build/{build_id}",
        "additional-information": {
            "environment": {"environment-variables": variables},
            "logs": {"deep-link": f"https://console.aws.amazon.com/cloudwatch/{project_name}"},
            "phases": [{"phase-type": failed or "BUILD", "phase-status": "FAILED" if failed else "SUCCEEDED",
                        "phase-context": ["COMMAND_EXECUTION_ERROR"] if failed else [": "]}],
        },
    }  # fmt: skip
    event = {
        "source": "aws.codebuild",
        "detail-type": "CodeBuild Build State Change",
        "region": region,
        "detail": detail,
    }
    from emulator import events  # which starts pipelines, which build

    events.send(account, region, event)


def install() -> None:
    CodeBuildResponse.start_build = start_build

"""CodeBuild projects whose source is in S3 really build; the end of a build is an event, as on AWS."""

from __future__ import annotations

import io
import json
import re
import threading
import uuid
import zipfile

from moto.codebuild.models import codebuild_backends
from moto.codebuild.responses import CodeBuildResponse
from moto.events.models import events_backends

from emulator import buildspec, functions, here


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
    for bus in events_backends[account][region].event_buses.values():
        for rule in bus.rules.values():
            if rule.event_pattern.matches_event(event):
                for target in rule.targets:
                    functions.invoke(region, target["Arn"].rsplit(":", 1)[-1], event)


def install() -> None:
    CodeBuildResponse.start_build = start_build

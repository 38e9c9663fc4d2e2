"""EventBridge: an event goes to the targets of each rule that it matches."""

from __future__ import annotations

from moto.events.models import events_backends

from emulator import codepipeline, functions, here


def send(account: str, region: str, event: dict) -> None:
    for bus in events_backends[account][region].event_buses.values():
        for rule in bus.rules.values():
            if rule.event_pattern.matches_event(event):
                for target in rule.targets:
                    _call(region, target, event)


def _call(region: str, target: dict, event: dict) -> None:
    service, name = target["Arn"].split(":")[2], target["Arn"].rsplit(":", 1)[-1]
    if service == "lambda":
        functions.invoke(region, name, event)
    elif name in codepipeline.chosen():
        client = here.client("codepipeline", region, here.role_name(target["RoleArn"]))
        client.start_pipeline_execution(name=name)

"""CloudFormation as moto does it, with what it lacks.

Stacks change in the background, with events, and roll back; `resources` makes what is in them.
"""

from __future__ import annotations

import json
import re
import threading
import traceback

import flask
from moto.cloudformation import models, parsing
from moto.cloudformation.exceptions import ValidationError
from moto.cloudformation.models import CloudFormationBackend, Stack
from moto.cloudformation.responses import CloudFormationResponse
from moto.core.common_models import CloudFormationModel
from moto.utilities.utils import get_partition

from emulator import here
from emulator.resources import TYPES, Custom, Resource


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

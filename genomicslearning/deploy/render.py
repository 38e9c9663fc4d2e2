"""The finished templates: what stands in files of its own, or once for each Glue job, is put into its place.

A template names a file as ``"@folder/name"``: a script or a query becomes a text, a ``.yml`` becomes the value of its
key. ``# @jobs NAME`` stands for that fragment, once for each job of ``glue/jobs.toml``.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Mapping

# What the jobs import that Glue 5.0 has not: igzip. (pyarrow, pandas and numpy are there.)
GLUE_LACKS = ("isal",)
_TEXTS = ("lifecycle/", "cloudformation/queries/")


def render(template: str, files: Mapping[str, str], lock: str) -> str:
    """A finished template.

    Parameters
    ----------
    template : as it stands in ``cloudformation/``.
    files : the package's shared files, by name: scripts, queries, fragments, ``glue/jobs.toml``.
    lock : the lock from which the jobs' additional modules take their versions.
    """
    jobs = tomllib.loads(files["glue/jobs.toml"])
    template = re.sub(
        r"^( *)# @jobs (\S+)\n", lambda found: _each_job(found, jobs, files), template, flags=re.MULTILINE
    )
    template = re.sub(
        r'^( *)(\w+): "@(\S+\.yml)"$', lambda found: _included(found, files), template, flags=re.MULTILINE
    )
    template = template.replace("@glue-modules", ",".join(pinned(lock, module) for module in GLUE_LACKS))
    for name in (name for name in files if name.startswith(_TEXTS)):
        template = template.replace(f'"@{name}"', json.dumps(files[name]))
    template = re.sub(r"^ *#.*\n", "", template, flags=re.MULTILINE)  # CloudFormation takes 51,200 bytes
    # The setup stack learns the project's lower-case name from its function, the others from a parameter.
    return template if "\n  ProjectLower:" in template else template.replace("${ProjectLower}", "${Names.Lower}")


def _each_job(found: re.Match, jobs: dict[str, dict], files: Mapping[str, str]) -> str:
    indent, name = found.groups()
    made = []
    for resource, job in jobs.items():
        arguments = "".join(f"      {json.dumps(key)}: {_value(value)}\n" for key, value in job["arguments"].items())
        text = files[f"cloudformation/{name}"].replace('      "@arguments": ""\n', arguments)
        for key, value in ("@resource", resource), ("@name", job["name"]), ("@script", job["script"]):
            text = text.replace(key, value)
        made.append(text.replace("@description", job["description"]))
    return _indented("\n".join(made), indent) + "\n"


def _value(text: str) -> str:
    return f"!Sub {json.dumps(text)}" if "${" in text else json.dumps(text)


def _included(found: re.Match, files: Mapping[str, str]) -> str:
    indent, key, name = found.groups()
    return f"{indent}{key}:\n" + _indented(files[name], indent + "  ")


def _indented(text: str, indent: str) -> str:
    return "\n".join(f"{indent}{line}" if line else "" for line in text.rstrip("\n").split("\n"))


def pinned(lock: str, module: str) -> str:
    """``module==version`` as the lock has it."""
    found = re.search(rf"^{re.escape(module)}==[^\s;\\]+", lock, re.MULTILINE)
    if not found:
        raise ValueError(f"the lock has no {module}")
    return found.group()

#!/bin/bash
# Runs as root at every start of the notebook instance, also after on_create.sh. Nothing here may keep the instance from
# starting: every step reports its failure and the next one runs.
#
# PROJECT (as its stacks are named), RESOURCES (s3://bucket/version), LAKE (s3://bucket), IDLE_MINUTES are set by the stack
# above this script.
set -u
: "${PROJECT:?}" "${RESOURCES:?}" "${LAKE:?}" "${IDLE_MINUTES:?}"
OWNER=${OWNER:-ec2-user}
USER_HOME=${USER_HOME:-/home/ec2-user}
HOME_DISK=$USER_HOME/SageMaker
WORK=$HOME_DISK/.genomicslearning
VERSION=${RESOURCES##*/}
mkdir -p "$WORK"
exec >> "$WORK/start.log" 2>&1
echo "$(date -u +%FT%TZ) starting with $VERSION"

# 1. Settings: what an empty `backend` and `lake` mean in the notebooks.
mkdir -p "$USER_HOME/.config"
cat > "$USER_HOME/.config/genomicslearning.toml" <<SETTINGS
backend = "sagemaker"
lake = "$LAKE"
project = "$PROJECT"
SETTINGS

# 2. The kernel, where the environment is there already: its place in the home directory does not survive a stop.
if [ -e "$WORK/kernel/kernel.json" ]; then
  mkdir -p "$USER_HOME/.local/share/jupyter/kernels"
  ln -sfn "$WORK/kernel" "$USER_HOME/.local/share/jupyter/kernels/genomicslearning"
fi

# 3. The notebooks. A copy that somebody edited stays; the new version appears beside it.
cat > "$WORK/copy_notebooks.py" <<'COPY'
import hashlib, json, sys, zipfile
from pathlib import Path

archive, folder, record, version = Path(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3]), sys.argv[4]
given = json.loads(record.read_text()) if record.exists() else {}  # what we put there: name -> sha256
with zipfile.ZipFile(archive) as notebooks:
    for name in notebooks.namelist():
        target = (folder / name).resolve()
        if not target.is_relative_to(folder.resolve()):
            continue
        content = notebooks.read(name)
        digest = hashlib.sha256(content).hexdigest()
        there = hashlib.sha256(target.read_bytes()).hexdigest() if target.exists() else None
        if there == digest or given.get(name) == digest:
            given[name] = digest  # the user has this version, edited or not
            continue
        if there and there != given.get(name):
            target = target.with_name(f"{target.stem}.{version}{target.suffix}")
            print(f"{name} was edited: the new version is {target.name}")
        target.parent.mkdir(parents=True, exist_ok=True)
        if not target.exists() or there == given.get(name):
            target.write_bytes(content)
        given[name] = digest
record.write_text(json.dumps(given))
COPY
if aws s3 cp --only-show-errors "$RESOURCES/notebooks.zip" "$WORK/notebooks.zip"; then
  python3 "$WORK/copy_notebooks.py" "$WORK/notebooks.zip" "$HOME_DISK/genomicslearning" "$WORK/notebooks.json" "$VERSION" ||
    echo "the notebooks could not be copied"
else
  echo "cannot read $RESOURCES/notebooks.zip: the notebooks stay as they are"
fi

# 4. Stop the instance when nobody works on it. A loop rather than cron, which Amazon Linux 2023 lacks.
cat > "$WORK/idle.py" <<'IDLE'
"""Exit 0 where Jupyter has done nothing for so many minutes: no busy kernel, no recent cell, no recent terminal."""
import json, ssl, sys, urllib.request
from datetime import datetime, timezone

server, minutes = sys.argv[1], float(sys.argv[2])
started = datetime.fromtimestamp(float(sys.argv[3]), timezone.utc)
ours = ssl.create_default_context()
ours.check_hostname, ours.verify_mode = False, ssl.CERT_NONE  # Jupyter's own certificate, on this machine
def ask(what):
    with urllib.request.urlopen(f"{server}/api/{what}", timeout=20, context=ours) as answer:
        return json.load(answer)
last = [started]
for kernel in ask("kernels"):
    if kernel["execution_state"] == "busy":
        sys.exit(1)
    last.append(datetime.fromisoformat(kernel["last_activity"].replace("Z", "+00:00")))
for terminal in ask("terminals"):
    last.append(datetime.fromisoformat(terminal["last_activity"].replace("Z", "+00:00")))
idle = (datetime.now(timezone.utc) - max(last)).total_seconds() / 60
print(f"idle for {idle:.0f} of {minutes:.0f} minutes")
sys.exit(0 if idle >= minutes else 1)
IDLE
cat > "$WORK/stop_when_idle.sh" <<'LOOP'
#!/bin/bash
# stop_when_idle.sh NOTEBOOK_INSTANCE MINUTES: an instance that installs (for an hour at most), or whose Jupyter cannot be
# asked, goes on.
STARTED=$(date +%s)
STATUS=$(dirname "$0")/../genomicslearning-status.txt
while sleep "${CHECK_SECONDS:-300}"; do
  grep -qs '^installing' "$STATUS" && [ -n "$(find "$STATUS" -mmin -60)" ] && continue
  if python3 "$(dirname "$0")/idle.py" "${JUPYTER:-https://localhost:8443}" "$2" "$STARTED"; then
    aws sagemaker stop-notebook-instance --notebook-instance-name "$1" && exit 0
  fi
done
LOOP
if [ -e "$WORK/idle.pid" ]; then kill "$(cat "$WORK/idle.pid")" 2> /dev/null; rm -f "$WORK/idle.pid"; fi
if [ "$IDLE_MINUTES" -gt 0 ]; then
  nohup setsid bash "$WORK/stop_when_idle.sh" "${PROJECT,,}-notebook" "$IDLE_MINUTES" >> "$WORK/idle.log" 2>&1 < /dev/null &
  echo $! > "$WORK/idle.pid"
fi

[ "$(id -u)" = 0 ] && chown -R "$OWNER" "$HOME_DISK" "$USER_HOME/.config" "$USER_HOME/.local"

# 5. The environment, where this version's is not there yet or does not start: a stop discards the system's Python, to
# which it is linked. on_create.sh installs and repairs (only one of them at a time); after an update it is the new
# version's own script, or the one that is here where S3 cannot be read.
export PROJECT RESOURCES OWNER USER_HOME
if ! grep -qsx "ready $VERSION" "$HOME_DISK/genomicslearning-status.txt" ||
  ! "$WORK/env/bin/python" -c 'import genomicslearning'; then
  if aws s3 cp --only-show-errors "$RESOURCES/lifecycle/on_create.sh" "$WORK/on_create.sh"; then
    bash "$WORK/on_create.sh"
  elif [ -e "$WORK/install.sh" ]; then
    nohup setsid bash "$WORK/install.sh" "$RESOURCES" >> "$WORK/install.log" 2>&1 < /dev/null &
  fi
fi
exit 0

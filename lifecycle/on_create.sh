#!/bin/bash
# Runs as root, once, when the notebook instance is made. SageMaker fails an instance whose script fails or takes more than
# five minutes: this one only writes the installer (which on_start.sh calls too) and starts it in the background.
#
# PROJECT (as its stacks are named), RESOURCES (s3://bucket/version) are set by the stack in the lines above this script.
set -u
: "${PROJECT:?}" "${RESOURCES:?}"
OWNER=${OWNER:-ec2-user}
USER_HOME=${USER_HOME:-/home/ec2-user}
# Of the user's home only SageMaker/ survives a stop.
WORK=$USER_HOME/SageMaker/.genomicslearning
mkdir -p "$WORK"

cat > "$WORK/install.sh" <<'INSTALLER'
#!/bin/bash
# Installs the environment from the wheelhouse: install.sh RESOURCES. Nothing is fetched from anywhere but S3.
set -u
RESOURCES=$1
OWNER=${OWNER:-ec2-user}
USER_HOME=${USER_HOME:-/home/ec2-user}
WORK=$USER_HOME/SageMaker/.genomicslearning
STATUS=$USER_HOME/SageMaker/genomicslearning-status.txt
VERSION=${RESOURCES##*/}
BUCKET=${RESOURCES%/*}
ENVIRONMENT=$WORK/env-$VERSION
DOWNLOAD=$WORK/download
KERNELS=$USER_HOME/.local/share/jupyter/kernels

exec 9> "$WORK/lock"
flock --nonblock 9 || exit 0  # another start of the instance is installing

say() { echo "$1" > "$STATUS"; echo "$(date -u +%FT%TZ) $1"; }
fail() {
  say "failed: $1. The log is $WORK/install.log; stop and start the instance to try again."
  rm -rf "$ENVIRONMENT" "$DOWNLOAD"
  exit 1
}

works() { "$ENVIRONMENT/bin/python" -c 'import genomicslearning' 2> /dev/null; }
version_of() { "$1" -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2> /dev/null; }

# The wheels are for one Python: conda's where it is that one, else the system's, which root may install.
candidates() { ls -d "$USER_HOME"/anaconda3/bin/python "$USER_HOME"/anaconda3/envs/*/bin/python 2> /dev/null
  command -v "python$PYTHON" python3; }
find_python() {
  local candidate
  for candidate in $(candidates); do
    if [ "$(version_of "$candidate")" = "$PYTHON" ]; then
      echo "$candidate"
      return
    fi
  done
  return 1
}
find_or_install_python() {
  find_python || { dnf install --quiet --assumeyes "python$PYTHON" >&2 && find_python; }
}
found_instead() { for candidate in $(candidates); do version_of "$candidate"; done | sort -uV | paste -sd ' '; }

finish() {
  ln -sfn "$ENVIRONMENT" "$WORK/env"
  mkdir -p "$WORK/kernel" "$KERNELS"
  cat > "$WORK/kernel/kernel.json" <<KERNEL
{"argv": ["$WORK/env/bin/python", "-m", "ipykernel_launcher", "-f", "{connection_file}"],
 "display_name": "Genomics Learning", "language": "python"}
KERNEL
  ln -sfn "$WORK/kernel" "$KERNELS/genomicslearning"
  for old in "$WORK"/env-*; do
    [ "$old" = "$ENVIRONMENT" ] || rm -rf "$old"
  done
  rm -rf "$DOWNLOAD"
  [ "$(id -u)" = 0 ] && chown -R "$OWNER" "$WORK" "$USER_HOME/.local"
  say "ready $VERSION"
  exit 0
}

# A stop discards the system's Python, to which an environment that was made before is linked: with that one back it
# works again, and without being installed again.
if [ -e "$ENVIRONMENT/python.txt" ]; then
  say "installing $VERSION: looking for the Python of the environment that is there"
  PYTHON=$(cat "$ENVIRONMENT/python.txt")
  works || { INTERPRETER=$(find_or_install_python) && ln -sfn "$INTERPRETER" "$ENVIRONMENT/bin/python"; }
  works && finish
fi

say "installing $VERSION"
rm -rf "$ENVIRONMENT" "$DOWNLOAD"
mkdir -p "$DOWNLOAD"
aws s3 cp --only-show-errors "$RESOURCES/wheelhouse.txt" "$DOWNLOAD/wheelhouse.txt" || fail "cannot read $RESOURCES"
{ read -r WHEELHOUSE; read -r PYTHON; } < "$DOWNLOAD/wheelhouse.txt"
aws s3 cp --only-show-errors --recursive "$BUCKET/wheelhouse/$WHEELHOUSE" "$DOWNLOAD" || fail "cannot copy the wheelhouse"
aws s3 cp --only-show-errors --recursive --exclude '*' --include '*.whl' "$RESOURCES" "$DOWNLOAD" || fail "cannot copy the package"

INTERPRETER=$(find_or_install_python) ||
  fail "there is no Python $PYTHON, for which the wheels are, and dnf could not install it (found: $(found_instead))"

pip=("$ENVIRONMENT/bin/python" -m pip install --quiet --disable-pip-version-check --no-cache-dir --no-index)
{ "$INTERPRETER" -m venv "$ENVIRONMENT" &&
  "${pip[@]}" --require-hashes --find-links "$DOWNLOAD" --requirement "$DOWNLOAD/requirements.txt" &&
  "${pip[@]}" --no-deps "$DOWNLOAD"/genomicslearning-*.whl; } || fail "pip could not install the wheelhouse"
works || fail "the package does not start"
echo "$PYTHON" > "$ENVIRONMENT/python.txt"
finish
INSTALLER

export OWNER USER_HOME
nohup setsid bash "$WORK/install.sh" "$RESOURCES" >> "$WORK/install.log" 2>&1 < /dev/null &
exit 0

#!/bin/bash
# Runs as root, once, when the notebook instance is made. SageMaker fails an instance whose script fails or takes more than
# five minutes: this one only writes the installer (which on_start.sh calls too) and starts it in the background.
#
# PROJECT, RESOURCES (s3://bucket/version) are set by the stack in the lines above this script.
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

exec 9> "$WORK/lock"
flock --nonblock 9 || exit 0  # another start of the instance is installing

say() { echo "$1" > "$STATUS"; echo "$(date -u +%FT%TZ) $1"; }
fail() {
  say "failed: $1. The log is $WORK/install.log; stop and start the instance to try again."
  rm -rf "$ENVIRONMENT" "$DOWNLOAD"
  exit 1
}

say "installing $VERSION"
rm -rf "$ENVIRONMENT" "$DOWNLOAD"
mkdir -p "$DOWNLOAD"
aws s3 cp --only-show-errors "$RESOURCES/wheelhouse.txt" "$DOWNLOAD/wheelhouse.txt" || fail "cannot read $RESOURCES"
{ read -r WHEELHOUSE; read -r PYTHON; } < "$DOWNLOAD/wheelhouse.txt"
aws s3 cp --only-show-errors --recursive "$BUCKET/wheelhouse/$WHEELHOUSE" "$DOWNLOAD" || fail "cannot copy the wheelhouse"
aws s3 cp --only-show-errors --recursive --exclude '*' --include '*.whl' "$RESOURCES" "$DOWNLOAD" || fail "cannot copy the package"

# The wheels are for one Python: conda's where it is that one, else the system's, which root may install.
find_python() {
  local candidate
  for candidate in "$USER_HOME"/anaconda3/bin/python "$USER_HOME"/anaconda3/envs/*/bin/python "$(command -v "python$PYTHON")"; do
    if [ -x "$candidate" ] &&
      [ "$("$candidate" -c 'import sys; print("%d.%d" % sys.version_info[:2])')" = "$PYTHON" ]; then
      echo "$candidate"
      return
    fi
  done
  return 1
}
INTERPRETER=$(find_python) || { dnf install --quiet --assumeyes "python$PYTHON" && INTERPRETER=$(find_python); } ||
  fail "there is no Python $PYTHON"

pip=("$ENVIRONMENT/bin/python" -m pip install --quiet --disable-pip-version-check --no-cache-dir --no-index)
{ "$INTERPRETER" -m venv "$ENVIRONMENT" &&
  "${pip[@]}" --require-hashes --find-links "$DOWNLOAD" --requirement "$DOWNLOAD/requirements.txt" &&
  "${pip[@]}" --no-deps "$DOWNLOAD"/genomicslearning-*.whl; } || fail "pip could not install the wheelhouse"
"$ENVIRONMENT/bin/python" -c 'import genomicslearning' || fail "the package does not start"

ln -sfn "$ENVIRONMENT" "$WORK/env"
mkdir -p "$WORK/kernel"
cat > "$WORK/kernel/kernel.json" <<KERNEL
{"argv": ["$WORK/env/bin/python", "-m", "ipykernel_launcher", "-f", "{connection_file}"],
 "display_name": "Genomics Learning", "language": "python"}
KERNEL
mkdir -p "$USER_HOME/.local/share/jupyter/kernels"
ln -sfn "$WORK/kernel" "$USER_HOME/.local/share/jupyter/kernels/genomicslearning"
for old in "$WORK"/env-*; do
  [ "$old" = "$ENVIRONMENT" ] || rm -rf "$old"
done
rm -rf "$DOWNLOAD"
[ "$(id -u)" = 0 ] && chown -R "$OWNER" "$WORK" "$USER_HOME/.local"
say "ready $VERSION"
INSTALLER

export OWNER USER_HOME
nohup setsid bash "$WORK/install.sh" "$RESOURCES" >> "$WORK/install.log" 2>&1 < /dev/null &
exit 0

# shellcheck shell=bash
# What the scripts of tests/ ask of the machine they run on: packages, free ports, a place to keep what was built.
# Sourced, never run. It knows nothing of Kubernetes or PostgreSQL.

# Built programs, Python environments and schemas survive `git clean` and are shared by all clones.
cache=${JOURNEY_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/journey-operator}
mkdir -p "$cache"

say() { echo "$*" >&2; }
fail() { say "${0##*/}: $*"; exit 1; }
have() { command -v "$1" >/dev/null 2>&1; }

# Installs the Debian packages whose program or file is missing. Arguments: PROGRAM=PACKAGE, or PACKAGE where both have one name.
need() {
  local pair missing=()
  for pair; do have "${pair%%=*}" || [ -e "${pair%%=*}" ] || missing+=("${pair##*=}"); done
  [ ${#missing[@]} -gt 0 ] || return 0
  have apt-get || fail "missing: ${missing[*]}. Install them with this system's package manager and run again"
  [ "$(id -u)" = 0 ] || fail "missing: ${missing[*]}. Run: sudo apt-get install ${missing[*]}"
  say "installing ${missing[*]}"
  {
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}"
  } </dev/null >&2
}

# The first port from $1 on that nobody listens at.
free_port() {
  local port=$1
  while ss -Hltn "sport = :$port" | grep -q .; do port=$((port + 1)); done
  echo "$port"
}

# await SECONDS WHAT COMMAND...: until the command succeeds; fails with what it waited for.
await() {
  local deadline=$((SECONDS + $1)) what=$2
  shift 2
  until "$@" >/dev/null 2>&1; do
    [ $SECONDS -lt "$deadline" ] || { say "gave up waiting for $what"; return 1; }
    sleep 0.3
  done
}

# The Python of a virtual environment that holds what the requirements file $1 lists; made on first use, kept in the cache.
python_with() {
  local place
  need python3
  place=$cache/python-$( (python3 --version && cat "$1") | sha256sum | cut -c1-16)
  if [ ! -x "$place/bin/python" ]; then
    python3 -c 'import ensurepip' 2>/dev/null || need /usr/lib/python3/dist-packages/ensurepip=python3-venv
    rm -rf "$place.part"
    python3 -m venv "$place.part"
    "$place.part/bin/python" -m pip install --quiet --disable-pip-version-check --requirement "$1" >&2
    rm -rf "$place.part/bin/pip"*
    mv "$place.part" "$place"
  fi
  echo "$place/bin/python"
}

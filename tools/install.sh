#!/usr/bin/env bash
# Sets up a checkout: host packages (through apt, only the missing ones) and .venv. Running it twice does nothing twice.
#   tools/install.sh [run|dev]     run: what a cluster needs; dev: the test tools as well
set -euo pipefail
cd "$(dirname "$0")/.."
mode=${1:-run}

say() { printf '  %s\n' "$*"; }

# package=command that shows that it is there
host_packages="conmon=conmon crun=crun runc=runc catatonit=catatonit nftables=nft busybox-static=busybox iproute2=ip"
[ "$mode" = dev ] && host_packages="$host_packages docker-registry=docker-registry skopeo=skopeo etcd-server=etcd dnsutils=dig wrk=wrk procps=ps"

missing=()
for pair in $host_packages; do
  PATH="$PATH:/usr/sbin:/sbin" command -v "${pair#*=}" >/dev/null 2>&1 || missing+=("${pair%%=*}")
done
# busybox from the package "busybox" is linked dynamically and cannot run in an image of its own
if [[ " ${missing[*]-} " != *" busybox-static "* ]] && command -v busybox >/dev/null && ldd "$(command -v busybox)" >/dev/null 2>&1; then
  missing+=(busybox-static)
fi

python=""
for candidate in python3.13 python3.12 python3.11 python3; do
  if command -v "$candidate" >/dev/null 2>&1 && "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
    python=$candidate
    break
  fi
done
if [ -z "$python" ]; then
  echo "Sampan needs Python 3.11 or newer; install it (Debian, Ubuntu: apt-get install python3 python3-venv) and run make again." >&2
  exit 1
fi
"$python" -c 'import ensurepip, venv' 2>/dev/null || missing+=("$("$python" -c 'import sys; print(f"python3.{sys.version_info[1]}-venv")')")

if [ ${#missing[@]} -gt 0 ]; then
  if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null 2>&1; then
    echo "Please install by hand, then run make again: ${missing[*]}" >&2
    [ "$(uname -s)" = Linux ] && exit 1
    echo "(going on without: only a control plane runs here: sampan up --nodes 0)" >&2
  else
    say "host packages: apt-get install ${missing[*]}"
    export DEBIAN_FRONTEND=noninteractive
    apt-get install -y -qq --no-install-recommends "${missing[@]}" >/tmp/sampan-apt.log 2>&1 || {
      apt-get update -qq && apt-get install -y -qq --no-install-recommends "${missing[@]}" >/tmp/sampan-apt.log 2>&1
    } || { tail -5 /tmp/sampan-apt.log >&2; exit 1; }
    # Debian starts services that come with some of them; none is wanted
    for service in docker-registry etcd; do
      [[ " ${missing[*]} " == *" $service"* ]] && command -v systemctl >/dev/null && systemctl disable --now "$service" >/dev/null 2>&1 || true
    done
  fi
fi

lock=requirements.lock
[ "$mode" = dev ] && lock=requirements-dev.lock
stamp=".venv/.installed-$mode-$(cat "$lock" pyproject.toml | sha256sum | cut -c1-16)"
# Where the environment forbids Python to keep bytecode, each start would read all sources anew: half a second.
compiled() { .venv/bin/python -m compileall -q src/sampan || true; }
[ -e "$stamp" ] && { compiled; exit 0; }
[ -x .venv/bin/python ] || { say "python: $python -m venv .venv"; "$python" -m venv .venv; }
say "python packages: pip install -r $lock"
.venv/bin/python -m pip install -q --disable-pip-version-check -r "$lock"
.venv/bin/python -m pip install -q --disable-pip-version-check --no-deps -e .
compiled
touch "$stamp"

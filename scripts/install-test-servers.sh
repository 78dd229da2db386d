#!/usr/bin/env bash
# Install the servers and the browser that the tests talk to, as far as they are missing.
# Without them their tests are skipped, each naming what it missed; so nothing here is fatal
# for somebody who may not install packages.
set -euo pipefail

packages=()
need() { # need PROGRAM PACKAGE: the package, unless the program is there
  PATH="$PATH:/usr/sbin:/usr/lib/openssh" command -v "$1" >/dev/null || packages+=("$2")
}

need git git
need make make
need python3 python3
need chromium chromium
need vsftpd vsftpd
need sshd openssh-server
need sftp-server openssh-sftp-server
need mariadbd mariadb-server
need pgbouncer pgbouncer
need faketime faketime
need man man-db
need nginx nginx-light
need caddy caddy
# Debian keeps these apart from the PATH; embedded PostgreSQL is tested beside them
compgen -G '/usr/lib/postgresql/*/bin/initdb' >/dev/null || packages+=(postgresql)
if command -v python3 >/dev/null && ! python3 -c 'import ensurepip, venv' 2>/dev/null; then
  packages+=(python3-venv)
fi

if [ "${#packages[@]}" -eq 0 ]; then
  exit 0
fi
if ! command -v apt-get >/dev/null; then
  echo "Not installed, for this machine has no apt-get: ${packages[*]}" >&2
  exit 0
fi
as_root=()
if [ "$(id -u)" -ne 0 ]; then
  if ! sudo -n true 2>/dev/null; then
    echo "Not installed, for that needs root: ${packages[*]}" >&2
    exit 0
  fi
  as_root=(sudo -n)
fi

echo "Installing ${packages[*]}"
install() {
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install \
    --yes --quiet --quiet --no-install-recommends -o Dpkg::Use-Pty=0 \
    "${packages[@]}" >/dev/null
}
# The tests start servers of their own, so none is to run as a service.
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
  printf '#!/bin/sh\nexit 101\n' | "${as_root[@]}" tee "$policy" >/dev/null
  "${as_root[@]}" chmod +x "$policy"
  trap '"${as_root[@]}" rm -f "$policy"' EXIT
fi
"${as_root[@]}" apt-get update --quiet --quiet
install

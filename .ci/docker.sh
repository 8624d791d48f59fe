# Starts a Docker engine where one is installed and none answers, and makes a PostgreSQL image from the
# installed PostgreSQL, because no registry may be reachable. Sourced by .ci/run.

start_docker() {
  if ! docker info >/dev/null 2>&1; then
    if ! command -v dockerd >/dev/null 2>&1; then echo 'no Docker engine installed'; return 0; fi
    local folder
    folder=$(mktemp -d)
    # vfs works on every file system; nothing here is large.
    as_root dockerd --storage-driver=vfs --data-root "$folder/data" --exec-root "$folder/exec" \
      --pidfile "$folder/pid" >"$folder/log" 2>&1 &
    # shellcheck disable=SC2064
    trap "stop_docker '$folder'" EXIT
    for _ in $(seq 100); do docker info >/dev/null 2>&1 && break; sleep 0.2; done
    docker info >/dev/null 2>&1 || { echo 'the Docker engine did not start:'; tail -5 "$folder/log"; return 0; }
  fi
  local bin tag=overdraft-postgres:local
  bin=$(ls -d /usr/lib/postgresql/*/bin | sort -V | tail -1)
  make_image "$bin" "$tag"
  export OVERDRAFT_POSTGRES_IMAGE=$tag
}

stop_docker() {
  as_root kill "$(cat "$1/pid")" 2>/dev/null || true
  for _ in $(seq 50); do [ -e "$1/pid" ] || break; sleep 0.1; done
  as_root rm -rf "$1"
}

# An image of the installed server, its libraries, a shell and a few tools.
make_image() {
  local bin=$1 tag=$2 root file
  root=$(mktemp -d)
  mkdir -p "$root"/{bin,etc,tmp,var/lib/postgresql}
  chmod 755 "$root" && chmod 1777 "$root/tmp"
  for file in bash cat chmod chown date id ls mkdir rm sed sleep touch grep setpriv; do
    cp -L --parents "$(readlink -f "$(command -v "$file")")" "$root"
  done
  for file in bash sh; do ln -sf "$(readlink -f "$(command -v bash)")" "$root/bin/$file"; done
  cp -L --parents "$bin"/{postgres,initdb,pg_ctl,psql} "$root"
  cp -rL --parents "$(dirname "$bin")/lib" /usr/share/postgresql "$root"
  if [ -d /usr/share/zoneinfo ]; then cp -r --parents /usr/share/zoneinfo "$root"; fi
  # Every library that any of these names, at the path by which it is named.
  # `ldd` fails on files that name none, which is not our failure.
  { find "$root" -type f \( -perm -u+x -o -name '*.so*' \) -exec ldd {} + 2>/dev/null || true; } |
    sed -n 's/.*[[:space:]]\(\/[^ ]*\) (0x.*/\1/p' | sort -u |
    while read -r file; do cp -L --parents "$file" "$root"; done
  printf 'root:x:0:0::/:/bin/bash\npostgres:x:999:999::/var/lib/postgresql:/bin/bash\n' >"$root/etc/passwd"
  printf 'root:x:0:\npostgres:x:999:\n' >"$root/etc/group"
  cat >"$root/entrypoint" <<ENTRYPOINT
#!/bin/bash
set -e
data=/var/lib/postgresql/data
mkdir -p "\$data" && chown 999:999 "\$data" && chmod 700 "\$data"
run() { setpriv --reuid 999 --regid 999 --clear-groups "\$@"; }
if [ ! -e "\$data/PG_VERSION" ]; then
  printf '%s' "\$POSTGRES_PASSWORD" >/tmp/password && chown 999 /tmp/password
  run $bin/initdb -U postgres -A scram-sha-256 --pwfile=/tmp/password -E UTF8 --locale=C -D "\$data" >/dev/null
  rm /tmp/password
  printf 'host all all all scram-sha-256\n' >>"\$data/pg_hba.conf"
fi
exec setpriv --reuid 999 --regid 999 --clear-groups $bin/postgres -D "\$data" -c listen_addresses='*' -c unix_socket_directories=/tmp
ENTRYPOINT
  chmod +x "$root/entrypoint"
  tar -C "$root" -c . | docker import -c 'ENTRYPOINT ["/entrypoint"]' -c 'EXPOSE 5432' - "$tag" >/dev/null
  rm -rf "$root"
}
